//! A role, as requests are held against it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::matching::{fulfils, matches};
use super::{Allowed, Asked};
use crate::template::{Role, Statement};

/// A role and what of it has been used.
#[derive(Debug)]
pub(super) struct Held {
    role: Role,
    /// For each statement, for each of its actions, for each of its resources: whether a call was allowed by it.
    used: Vec<Vec<Vec<AtomicBool>>>,
}

/// What a role says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// A statement denies it.
    Denied,
    /// No statement allows it.
    NotAllowed,
}

impl Held {
    pub(super) fn new(role: &Role) -> Self {
        let resources = |statement: &Statement| statement.resources.iter().map(|_| AtomicBool::new(false)).collect();
        let actions = |statement: &Statement| statement.actions.iter().map(|_| resources(statement)).collect();
        Self {
            used: role.statements.iter().map(actions).collect(),
            role: role.clone(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.role.name
    }

    /// What the role says. What it allows counts as used: by the first statement that allows it, so that one which adds nothing to
    /// those before it is found out.
    pub(super) fn verdict(&self, asked: &Asked) -> Verdict {
        let statements = &self.role.statements;
        let denied = |statement: &Statement| !statement.allows && place(statement, asked).is_some();
        if statements.iter().any(denied) {
            return Verdict::Denied;
        }
        let mut allowing = statements.iter().enumerate().filter(|(_, statement)| statement.allows);
        let found = allowing.find_map(|(index, statement)| Some((index, place(statement, asked)?)));
        let Some((statement, (action, resource))) = found else {
            return Verdict::NotAllowed;
        };
        self.used[statement][action][resource].store(true, Ordering::Relaxed);
        Verdict::Allowed
    }

    /// Everything that it allows.
    pub(super) fn allowed(&self, function: &str) -> Vec<Allowed> {
        let mut all = Vec::new();
        let statements = self.role.statements.iter().zip(&self.used);
        for (statement, used) in statements.filter(|(statement, _)| statement.allows) {
            for (action, used) in statement.actions.iter().zip(used) {
                for (resource, used) in statement.resources.iter().zip(used) {
                    all.push(Allowed {
                        function: function.to_owned(),
                        action: action.clone(),
                        resource: resource.clone(),
                        conditional: !statement.conditions.is_empty(),
                        used: used.load(Ordering::Relaxed),
                    });
                }
            }
        }
        all
    }
}

/// Which action and which resource of a statement are those of a request, if the statement is about it at all.
fn place(statement: &Statement, asked: &Asked) -> Option<(usize, usize)> {
    let position = |patterns: &[String], text: &str| patterns.iter().position(|pattern| matches(pattern, text));
    let action = position(&statement.actions, &asked.action)?;
    let resource = position(&statement.resources, &asked.resource)?;
    let about = statement.conditions.iter().all(|condition| fulfils(condition, asked));
    about.then_some((action, resource))
}
