//! Integration tests: what the built program does at its borders, seen from outside. Nothing here links the library.

mod support;

mod clients;
mod differential;
mod restart;
