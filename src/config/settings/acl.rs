//! The settings of access control.

use crate::config::kind::SettingKind;
use crate::config::settings::Effect::Restart;
use crate::config::settings::Fallback::{Derived, Text};
use crate::config::settings::{Setting, setting};

pub(super) const SETTINGS: &[Setting] = &[
    setting(
        "acl_enabled",
        SettingKind::Boolean,
        Text("false"),
        Restart,
        "Whether callers are told apart by their tokens, and may do what those give: `muster help acl` tells of it. \
         Otherwise everybody may do everything.",
    ),
    setting(
        "acl_permissive",
        SettingKind::Boolean,
        Text("false"),
        Restart,
        "Whether what a caller may not do is only noted, and let pass, but for access control itself: to find out \
         what would be denied before it is.",
    ),
    setting(
        "acl_default_policy",
        SettingKind::Choice(&["allow", "deny"]),
        Text("allow"),
        Restart,
        "What counts where no rule of a token speaks. To be safe it has to be `deny`.",
    ),
    setting(
        "acl_enable_key_list_policy",
        SettingKind::Boolean,
        Text("false"),
        Restart,
        "Whether to list keys takes the right to `list` what is asked for; otherwise those that may not be read are \
         left out.",
    ),
    setting(
        "acl_initial_management_token",
        SettingKind::Secret,
        Derived("none"),
        Restart,
        "The secret of a token that is there from the first start on and may do everything. Give it in the environment \
         rather than as a flag, which others can see; the others likewise.",
    ),
    setting(
        "acl_agent_recovery_token",
        SettingKind::Secret,
        Derived("none"),
        Restart,
        "A secret that manages this agent and sees all nodes, whatever becomes of all tokens.",
    ),
    setting(
        "acl_default_token",
        SettingKind::Secret,
        Derived("none"),
        Restart,
        "The secret of the token that counts for who shows none, in the place of the anonymous one.",
    ),
    setting(
        "acl_agent_token",
        SettingKind::Secret,
        Derived("none"),
        Restart,
        "Consul's agents need it for work of their own; muster needs none, and shows that it has one.",
    ),
    setting(
        "acl_key_file",
        SettingKind::File,
        Derived("acl.key in data_dir, made when it is needed"),
        Restart,
        "A file with the keys by which secrets of tokens are sealed wherever they are written; of several lines the \
         first seals, and all of them open.",
    ),
];
