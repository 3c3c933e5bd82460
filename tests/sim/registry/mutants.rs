//! Faults that the registry and its store are given on purpose, so that each run of the tests shows that the simulation
//! can fail. They are wrapped around what is tested; nothing that ships knows of them.

/// A fault of the write path, of a store, or of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A batch is answered and never written, now and then.
    LosesABatch,
    /// The last row of a batch is not written, now and then.
    LosesARow,
    /// What is deleted stays in the store, now and then.
    KeepsTheDead,
    /// A batch is written in two steps.
    HalvesBatches,
    /// Two batches change places now and then.
    SwapsBatches,
    /// The transitions of a batch are not written.
    ForgetsHistory,
    /// The index of a batch is not written.
    ForgetsIndexes,
    /// A write that the store refused is answered as done.
    SaysYesToFailures,
    /// A batch for which there was no room is written all the same.
    WritesWhatItRefuses,
    /// What was refused for want of room is carried out with the next batch.
    RemembersTheRefused,
    /// Syncs do nothing.
    NeverSyncs,
    /// The witness is not asked.
    HeedsNoWitness,
    /// A start that fails leaves the files as it has changed them.
    PutsNothingBack,
    /// A start forgets the history.
    StartsWithoutHistory,
    /// A start begins one index too low.
    StartsTooLow,
    /// Rows beside the records get lost.
    LosesWhatIsBeside,
    /// A waker is not rung now and then.
    LetsSleep,
    /// An index does not move now and then.
    SticksToIndexes,
    /// Everybody is woken by everything.
    WakesEverybody,
    /// Readers are shown an instance that is gone.
    ShowsGhosts,
    /// Nothing guards what is written to Redis.
    SendsNoGuard,
    /// The last row of a table is not sent to Redis.
    SendsNoLastRow,
    /// Nothing is deleted in Redis.
    DeletesNothing,
    /// Rows that are being compared are sealed as whole.
    SendsOldSeals,
    /// Every transaction counts as done, whatever Redis says.
    BelievesInSuccess,
}

impl Mutant {
    /// Those that the embedded store's simulation must find.
    pub const OF_DISK: &[Mutant] = &[
        Mutant::LosesABatch,
        Mutant::LosesARow,
        Mutant::KeepsTheDead,
        Mutant::HalvesBatches,
        Mutant::SwapsBatches,
        Mutant::ForgetsHistory,
        Mutant::ForgetsIndexes,
        Mutant::SaysYesToFailures,
        Mutant::WritesWhatItRefuses,
        Mutant::RemembersTheRefused,
        Mutant::NeverSyncs,
        Mutant::HeedsNoWitness,
        Mutant::PutsNothingBack,
        Mutant::StartsWithoutHistory,
        Mutant::StartsTooLow,
        Mutant::LosesWhatIsBeside,
        Mutant::LetsSleep,
        Mutant::SticksToIndexes,
        Mutant::WakesEverybody,
        Mutant::ShowsGhosts,
    ];

    /// Those that the Redis store's must find.
    pub const OF_REDIS: &[Mutant] = &[
        Mutant::SendsNoGuard,
        Mutant::SendsNoLastRow,
        Mutant::DeletesNothing,
        Mutant::SendsOldSeals,
        Mutant::BelievesInSuccess,
        Mutant::SaysYesToFailures,
        Mutant::LosesWhatIsBeside,
        Mutant::HalvesBatches,
    ];
}
