//! One member: its identity, its state, and its start time.

use crate::disk;
use crate::installation::{Installation, TimelineId};
use crate::pageserver::Pageserver;
use crate::safekeeper::Safekeeper;
use crate::settings::{Computes, Member, MissingIdentity};
use crate::tls;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

/// The kind of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Keeps WAL.
    Safekeeper,
    /// Serves pages.
    Pageserver,
}

impl Role {
    /// Returns the port of its status page.
    pub fn http_port(self) -> u16 {
        match self {
            Self::Safekeeper => 7676,
            Self::Pageserver => 9898,
        }
    }

    /// Returns the port of the same over HTTPS, if it is served.
    pub fn https_port(self) -> u16 {
        match self {
            Self::Safekeeper => 7677,
            Self::Pageserver => 9899,
        }
    }

    /// Returns the port for peers or computes.
    pub fn wal_port(self) -> u16 {
        match self {
            Self::Safekeeper => 5454,
            Self::Pageserver => 6400,
        }
    }
}

/// The identity of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its role.
    pub role: Role,
    /// Its pod's name, which ends with its ordinal.
    pub name: String,
}

/// A safekeeper or pageserver that runs until it is dropped or [ended](StandIn::end).
#[derive(Debug)]
pub struct StandIn {
    pub(crate) identity: Identity,
    pub(crate) id: u64,
    pub(crate) own: Member,
    pub(crate) computes: Computes,
    pub(crate) installation: Arc<Installation>,
    pub(crate) launched: SystemTime,
    /// Set if it serves HTTPS.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// Distinguishes it from earlier ones of its name.
    run: u64,
    exits: Option<i32>,
    ended: AtomicBool,
    state: Mutex<State>,
}

/// Its state.
#[derive(Debug)]
pub(crate) enum State {
    Safekeeper(Safekeeper),
    Pageserver(Pageserver),
}

impl StandIn {
    /// Starts a member on its volume; without a volume, its state is only in memory, and each start is on an empty
    /// disk.
    ///
    /// # Errors
    /// Errors of the system, of the volume or of what the installation shares; an invalid certificate.
    pub fn start(
        identity: Identity,
        (own, computes): (Member, Computes),
        volume: Option<&Path>,
        installation: Arc<Installation>,
    ) -> io::Result<StandIn> {
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let ordinal = identity.name.rsplit('-').next().and_then(|ordinal| ordinal.parse::<u64>().ok()).unwrap_or(0);
        let id = own.id.unwrap_or(ordinal + 1);
        let new = installation.is_new(&identity.name)?;
        let ledger = installation.ledger(&computes);
        let seen = installation.seen_before(&identity.name, ledger.timelines().len())?;
        let now = Instant::now();
        let mut exits = None;
        let state = match identity.role {
            Role::Safekeeper => State::Safekeeper(Safekeeper::start((&own, volume), seen, &ledger, now)?),
            Role::Pageserver => {
                let nameless = match volume {
                    Some(volume) => disk::read(&volume.join(crate::pageserver::FILE))?.is_none(),
                    None => true,
                };
                if own.identity == MissingIdentity::Required && nameless && !new {
                    exits = Some(1);
                }
                State::Pageserver(Pageserver::start((&own, volume), (new, seen), &ledger, &installation, now)?)
            }
        };
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let launched = SystemTime::now();
        let tls = own.https.as_ref().map(tls::server).transpose()?;
        let state = Mutex::new(state);
        let ended = AtomicBool::new(false);
        let member = StandIn { identity, id, own, computes, installation, launched, tls, run, exits, ended, state };
        if member.exits.is_none() {
            drop(member.state()?);
        }
        Ok(member)
    }

    /// Returns its role.
    pub fn role(&self) -> Role {
        self.identity.role
    }

    /// Whether its pages are also served over HTTPS.
    pub fn has_https(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns the exit code, if it exits at once.
    pub fn exits(&self) -> Option<i32> {
        self.exits
    }

    /// Returns the timelines that a safekeeper holds now; none for a pageserver.
    ///
    /// # Errors
    /// Errors of the system, of its volume.
    pub fn holds(&self) -> io::Result<BTreeSet<TimelineId>> {
        match &*self.state()? {
            State::Safekeeper(safekeeper) => Ok(safekeeper.holds()),
            State::Pageserver(_) => Ok(BTreeSet::new()),
        }
    }

    /// Returns its current state, which is also on its volume.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ended.load(Ordering::Relaxed) || self.exits.is_some() {
            // Another member may use its volume by now; and one that exits at once writes nothing.
            return Ok(state);
        }
        let ledger = self.installation.ledger(&self.computes);
        let who = (&self.own, self.identity.name.as_str());
        let now = Instant::now();
        match &mut *state {
            State::Safekeeper(safekeeper) => {
                safekeeper.advance(who, &ledger, &self.installation, now);
                safekeeper.save(self.id)?;
                self.installation.runs(&self.identity.name, self.run, safekeeper.holds());
            }
            State::Pageserver(pageserver) => {
                pageserver.advance(who, &ledger, &self.installation, now)?;
                pageserver.save(self.id)?;
            }
        }
        Ok(state)
    }

    /// Ends it: its state is written once more, and its peers no longer see it.
    pub fn end(&self) {
        // If the volume is gone, nothing has to be written.
        let state = self.state();
        self.ended.store(true, Ordering::Relaxed);
        drop(state);
        self.installation.ended(&self.identity.name, self.run);
    }
}
