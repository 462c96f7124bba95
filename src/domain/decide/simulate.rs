//! What a sandbox asks so that nobody has to wait for it: the same facts, sooner.

use super::{accounts, reverse};
use crate::domain::{
    account::Status,
    command::{ChangeAccount, Context, Simulation},
    event::Event,
    group::Group,
    outcome::Rejection,
};

pub(super) fn decide(
    group: &Group,
    simulation: &Simulation,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    match simulation {
        Simulation::OpenHeld(open) => accounts::open_held(group, open, context),
        Simulation::EndCreation { account, is_made } => {
            let known = group.account(*account).ok_or(Rejection::AccountNotFound)?;
            let to = if *is_made {
                Status::Active
            } else {
                Status::CreationFailed
            };
            let from = known.status;
            if from != Status::CreationInProgress {
                return Err(Rejection::IllegalTransition { from, to });
            }
            let change = ChangeAccount {
                account: *account,
                status: Some(to),
                status_reason: None,
                metadata: None,
                webhook_url: None,
                card: None,
            };
            let mut account = known.clone();
            account.status = to;
            account.updated_at = context.now;
            Ok(Event::AccountChanged {
                change: Box::new(change),
                account: Box::new(account),
            })
        }
        Simulation::ExpireNow(step) => reverse::expire_now(group, step, context),
    }
}
