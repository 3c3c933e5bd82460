//! Faults that the engine is given on purpose, so that each run of the tests shows that the simulation can fail.

/// A fault between the engine and the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// What is due is lost now and then.
    LosesWhatIsDue,
    /// Each run is started twice.
    RunsTwice,
    /// An instance is reaped at the second asking only.
    ReapsLate,
    /// The TTL of a silent instance never ends.
    NeverExpires,
    /// What was held back or got lost is never shown.
    NeverShows,
    /// An output that changed alone is never written.
    NeverSyncs,
    /// A change of status is not told now and then.
    SwallowsChanges,
    /// A result that decides nothing changes the status now and then.
    CriesWolf,
    /// The clock of the engine is fast, by a thousandth.
    RunsAhead,
    /// The engine is not told of a write now and then.
    IsNotToldOfWrites,
    /// The engine is not told that a connection was lost.
    IgnoresLostConnections,
    /// An orderly end saves nothing.
    ForgetsSaved,
    /// A crash leaves nothing of the TTLs.
    BeginsTtlsAnew,
    /// A restart begins each status anew.
    RestoresAsNew,
}

impl Mutant {
    /// All of them.
    pub const ALL: &[Mutant] = &[
        Mutant::LosesWhatIsDue,
        Mutant::RunsTwice,
        Mutant::ReapsLate,
        Mutant::NeverExpires,
        Mutant::NeverShows,
        Mutant::NeverSyncs,
        Mutant::SwallowsChanges,
        Mutant::CriesWolf,
        Mutant::RunsAhead,
        Mutant::IsNotToldOfWrites,
        Mutant::IgnoresLostConnections,
        Mutant::ForgetsSaved,
        Mutant::BeginsTtlsAnew,
        Mutant::RestoresAsNew,
    ];
}
