//! The built program on disks that fill, fail and stall. Real calls fail: those of a small file system, and those that a
//! library loaded before the C library strikes (`tests/faults/shim.c`).

mod boundaries;
mod checker;
mod failing;
mod linear;
mod scene;
mod small;
mod stalling;
