//! The life of what is published: agents and workflows.

/// Defines the status of something that is published, with the rule of its life.
macro_rules! publication_status {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $crate::value::text_enum! {
            $(#[$doc])*
            #[derive(Default)]
            pub enum $name: $kind {
                /// It is being written, may change freely, and is not used by others.
                #[default]
                Draft = "draft",
                /// It is frozen, and in use.
                Active = "active",
                /// It is frozen, and paused.
                Inactive = "inactive",
                /// It is frozen, and out of use for ever.
                Archived = "archived",
            }
        }

        impl $name {
            /// Whether the next status may follow this one: draft -> active -> inactive | archived. What is
            /// inactive may become active again, or archived; what is archived stays so.
            #[must_use]
            pub const fn can_become(self, next: Self) -> bool {
                matches!(
                    (self, next),
                    (Self::Draft | Self::Inactive, Self::Active)
                        | (Self::Active, Self::Inactive)
                        | (Self::Active | Self::Inactive, Self::Archived)
                )
            }

            /// Whether its content may still change.
            #[must_use]
            pub const fn is_editable(self) -> bool {
                matches!(self, Self::Draft)
            }
        }
    };
}

pub(crate) use publication_status;

#[cfg(test)]
mod tests {
    use crate::{agent::AgentStatus as Status, value::UnknownVariant, workflow::WorkflowStatus};

    #[test]
    fn the_life_of_what_is_published_has_these_steps_and_no_others() {
        use Status::{Active, Archived, Draft, Inactive};
        let allowed =
            [(Draft, Active), (Active, Inactive), (Active, Archived), (Inactive, Active), (Inactive, Archived)];

        for from in Status::ALL {
            for to in Status::ALL {
                assert_eq!(from.can_become(to), allowed.contains(&(from, to)), "{from} -> {to}");
            }
            assert_eq!(from.is_editable(), from == Draft);
        }
        assert_eq!(Status::default(), Draft);
    }

    #[test]
    fn agents_and_workflows_have_the_same_life() {
        for (agent, from) in Status::ALL.into_iter().zip(WorkflowStatus::ALL) {
            for to in WorkflowStatus::ALL {
                let next = to.as_str().parse::<Status>().unwrap();
                assert_eq!(agent.can_become(next), from.can_become(to));
            }
        }
        assert!(matches!("gone".parse::<WorkflowStatus>(), Err(UnknownVariant { kind: "a workflow status", .. })));
    }
}
