//! A check's row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::probe::ProbeRow;
use super::words::{CauseRow, OriginRow, StatusRow};
use super::{IndexesRow, is_default};
use crate::base::stdx::text::Text;
use crate::core::model::{Cadence, Check, CheckDefinition, Damping};

#[derive(Serialize, Deserialize)]
pub(super) struct CheckRow<'a> {
    id: Cow<'a, Text>,
    name: Cow<'a, Text>,
    status: StatusRow,
    #[serde(default, skip_serializing_if = "is_default")]
    notes: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    output: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    service_id: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    kind: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    definition: Option<DefinitionRow<'a>>,
    origin: OriginRow,
    #[serde(default, skip_serializing_if = "is_default")]
    status_since_ms: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    status_cause: CauseRow,
    indexes: IndexesRow,
}

impl<'a> From<&'a Check> for CheckRow<'a> {
    fn from(check: &'a Check) -> Self {
        let Check { id, name, status, notes, output, service_id, kind, definition, .. } = check;
        let Check { origin, status_since_ms, status_cause, indexes, .. } = check;
        CheckRow {
            id: Cow::Borrowed(id),
            name: Cow::Borrowed(name),
            status: (*status).into(),
            notes: Cow::Borrowed(notes),
            output: Cow::Borrowed(output),
            service_id: Cow::Borrowed(service_id),
            kind: Cow::Borrowed(kind),
            definition: (!is_default(&**definition)).then(|| DefinitionRow::from(&**definition)),
            origin: (*origin).into(),
            status_since_ms: *status_since_ms,
            status_cause: (*status_cause).into(),
            indexes: (*indexes).into(),
        }
    }
}

impl From<CheckRow<'_>> for Check {
    fn from(row: CheckRow<'_>) -> Self {
        Check {
            id: row.id.into_owned(),
            name: row.name.into_owned(),
            status: row.status.into(),
            notes: row.notes.into_owned(),
            output: row.output.into_owned(),
            service_id: row.service_id.into_owned(),
            kind: row.kind.into_owned(),
            definition: row.definition.map_or_else(Arc::default, |definition| Arc::new(definition.into())),
            origin: row.origin.into(),
            status_since_ms: row.status_since_ms,
            status_cause: row.status_cause.into(),
            indexes: row.indexes.into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct DefinitionRow<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe: Option<ProbeRow<'a>>,
    #[serde(default, skip_serializing_if = "is_default")]
    interval: Duration,
    #[serde(default, skip_serializing_if = "is_default")]
    timeout: Duration,
    #[serde(default, skip_serializing_if = "is_default")]
    success_before_passing: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    failures_before_warning: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    failures_before_critical: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    deregister_critical_service_after: Duration,
    #[serde(default, skip_serializing_if = "is_default")]
    output_max_size: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    watch: Option<bool>,
    #[serde(default, skip_serializing_if = "is_default")]
    damping: Option<DampingRow>,
    #[serde(default, skip_serializing_if = "is_default")]
    owner: CadenceRow,
    #[serde(default, skip_serializing_if = "is_default")]
    told: Cow<'a, BTreeMap<Text, Value>>,
}

impl<'a> From<&'a CheckDefinition> for DefinitionRow<'a> {
    fn from(definition: &'a CheckDefinition) -> Self {
        DefinitionRow {
            probe: definition.probe.as_ref().map(ProbeRow::from),
            interval: definition.interval,
            timeout: definition.timeout,
            success_before_passing: definition.success_before_passing,
            failures_before_warning: definition.failures_before_warning,
            failures_before_critical: definition.failures_before_critical,
            deregister_critical_service_after: definition.deregister_critical_service_after,
            output_max_size: definition.output_max_size,
            watch: definition.watch,
            damping: definition.damping.map(DampingRow::from),
            owner: definition.owner.into(),
            told: Cow::Borrowed(&definition.told),
        }
    }
}

impl From<DefinitionRow<'_>> for CheckDefinition {
    fn from(row: DefinitionRow<'_>) -> Self {
        CheckDefinition {
            probe: row.probe.map(Into::into),
            interval: row.interval,
            timeout: row.timeout,
            success_before_passing: row.success_before_passing,
            failures_before_warning: row.failures_before_warning,
            failures_before_critical: row.failures_before_critical,
            deregister_critical_service_after: row.deregister_critical_service_after,
            output_max_size: row.output_max_size,
            watch: row.watch,
            damping: row.damping.map(Into::into),
            owner: row.owner.into(),
            told: row.told.into_owned(),
        }
    }
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct CadenceRow {
    interval: Duration,
    timeout: Duration,
    exposed_port: u16,
}

impl From<Cadence> for CadenceRow {
    fn from(Cadence { interval, timeout, exposed_port }: Cadence) -> Self {
        CadenceRow { interval, timeout, exposed_port }
    }
}

impl From<CadenceRow> for Cadence {
    fn from(CadenceRow { interval, timeout, exposed_port }: CadenceRow) -> Self {
        Cadence { interval, timeout, exposed_port }
    }
}

#[derive(PartialEq, Serialize, Deserialize)]
struct DampingRow {
    half_life: Duration,
    suppress: u32,
    reuse: u32,
}

impl From<Damping> for DampingRow {
    fn from(Damping { half_life, suppress, reuse }: Damping) -> Self {
        DampingRow { half_life, suppress, reuse }
    }
}

impl From<DampingRow> for Damping {
    fn from(DampingRow { half_life, suppress, reuse }: DampingRow) -> Self {
        Damping { half_life, suppress, reuse }
    }
}
