//! The files of TLS: read at the start and by a reload, and looked at every few seconds, so that a renewed certificate
//! is in use without anybody's doing. Files that cannot be used leave those in use before.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::sys::clock;
use crate::base::telemetry::log_limit::LogLimit;
use crate::config::validated::Config;
use crate::net::tls::{TlsEndpoint, TlsSettings, TlsTerms};
use crate::server::error::ServerError;
use crate::surface::context::host::{CertificatesEnd, Nearness};

/// How often the files are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often it is said that the end of a certificate is near.
const WARNED_EVERY_S: u64 = 24 * 60 * 60;

/// The files of TLS, and what they have become.
pub(super) struct Certificates {
    pub(super) endpoint: Arc<TlsEndpoint>,
    files: Mutex<Files>,
    /// Whether what is on the disk is not what is in use, since it cannot be used.
    is_behind: AtomicBool,
    warnings: LogLimit,
}

/// Which files, and how they stood when they were read last.
struct Files {
    settings: TlsSettings,
    stamps: Vec<Option<Stamp>>,
    /// What was said of them last, so that it is not said again at every look.
    complaint: Option<String>,
}

/// What tells a file from what it was before.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

impl Certificates {
    /// Reads the files, if TLS is to be spoken anywhere. A certificate that has run out is used nevertheless, and said
    /// to be: without it not even those would be served who do not mind.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn open(config: &Config) -> Result<Option<Certificates>, ServerError> {
        if config.https_addresses.is_empty() {
            return Ok(None);
        }
        let settings = config.tls.clone();
        let stamps = stamps(&settings);
        let terms = TlsTerms::read(&settings).map_err(ServerError::Tls)?;
        if let Err(sentence) = terms.check_at(clock::coarse_unix_seconds()) {
            log::error!("{sentence}");
        }
        let certificates = Certificates {
            endpoint: Arc::new(TlsEndpoint::new(terms)),
            files: Mutex::new(Files { settings, stamps, complaint: None }),
            is_behind: AtomicBool::new(false),
            warnings: LogLimit::every(WARNED_EVERY_S),
        };
        certificates.warn_of_end();
        Ok(Some(certificates))
    }

    /// Whether what is on the disk cannot be used, and what was there before is.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Reads the files that a configuration names, to be used with [`Certificates::adopt`].
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub(super) fn prepare(&self, config: &Config) -> Result<Prepared, String> {
        self.read(config.tls.clone())
    }

    /// Speaks to new clients with what was read.
    pub(super) fn adopt(&self, prepared: Prepared) {
        let Prepared { settings, stamps, terms } = prepared;
        *self.files.lock() = Files { settings, stamps, complaint: None };
        self.endpoint.set(terms);
        self.is_behind.store(false, Ordering::Relaxed);
    }

    /// Looks whether the files have changed, and uses them if so. Blocks on the disk.
    pub(super) fn look(&self) {
        self.warn_of_end();
        let (settings, known) = {
            let files = self.files.lock();
            (files.settings.clone(), files.stamps.clone())
        };
        // Of files that are replaced one after the other, the first may have been read with the old second one.
        if stamps(&settings) == known && !self.is_behind() {
            return;
        }
        match self.read(settings) {
            Ok(prepared) => {
                self.adopt(prepared);
                log::info!("new clients are shown the certificate that is in tls_cert_file now");
            }
            Err(sentence) => {
                self.is_behind.store(true, Ordering::Relaxed);
                let mut files = self.files.lock();
                if files.complaint.as_ref() != Some(&sentence) {
                    log::error!("the certificate in use stays: {sentence}");
                    files.complaint = Some(sentence);
                }
            }
        }
    }

    fn read(&self, settings: TlsSettings) -> Result<Prepared, String> {
        let stamps = stamps(&settings);
        let terms = TlsTerms::read(&settings)?;
        let now_s = clock::coarse_unix_seconds();
        // Nothing is lost by it when the one in use has run out as well.
        if self.endpoint.expires_s() >= now_s {
            terms.check_at(now_s)?;
        }
        Ok(Prepared { settings, stamps, terms })
    }

    /// When the first of those in use ends.
    pub(super) fn end(&self) -> CertificatesEnd {
        CertificatesEnd { at_s: self.endpoint.expires_s(), now_s: clock::coarse_unix_seconds() }
    }

    fn warn_of_end(&self) {
        let end = self.end();
        let (nearness, days) = (end.nearness(), end.days_left());
        if nearness == Nearness::Far || self.warnings.suppressed().is_none() {
            return;
        }
        match nearness {
            Nearness::Past => log::error!("a certificate in tls_cert_file has expired: clients refuse it"),
            Nearness::Close => {
                log::error!(days; "a certificate in tls_cert_file is about to expire: renew it now")
            }
            _ => log::warn!(days; "a certificate in tls_cert_file is about to expire"),
        }
    }
}

/// Files that were read and can be used.
pub(super) struct Prepared {
    settings: TlsSettings,
    stamps: Vec<Option<Stamp>>,
    terms: TlsTerms,
}

fn stamps(settings: &TlsSettings) -> Vec<Option<Stamp>> {
    let stamp = |metadata: fs::Metadata| Stamp {
        inode: (metadata.dev(), metadata.ino()),
        bytes: metadata.len(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
    };
    settings.files().map(|file| fs::metadata(file).ok().map(stamp)).collect()
}
