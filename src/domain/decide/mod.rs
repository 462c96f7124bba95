//! Says what a command would do. Looks at the state, changes nothing, refuses or answers with facts.

mod absorb;
mod accounts;
mod authorize;
mod books;
mod capture;
mod card_file;
mod conclude;
mod draft;
mod earners;
mod force_post;
mod increment;
mod money;
mod parts;
mod refund;
mod reverse;
mod simulate;
mod step;
mod transfer;
mod usage;

use super::{
    command::{Command, Context},
    event::Event,
    group::Group,
    outcome::Rejection,
};

/// Decides `command`.
///
/// Two calls with the same arguments give the same events.
///
/// # Errors
///
/// A [`Rejection`] if the command cannot be decided; nothing is to be recorded then.
pub fn decide(
    group: &Group,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let event = match command {
        Command::OpenAccount(open) => return accounts::open(group, open, context),
        Command::ChangeAccount(change) => accounts::change(group, change, context)?,
        Command::PatchAccount(patch) => accounts::patch(group, patch, context)?,
        Command::LinkAccount(link) => accounts::link(group, link, context)?,
        Command::Deposit(deposit) => money::deposit(group, deposit)?,
        Command::Withdraw(withdrawal) => money::withdraw(group, withdrawal)?,
        Command::SendTransfer(send) => transfer::send(group, send)?,
        Command::ReceiveTransfer(transfer) => transfer::receive(group, transfer)?,
        Command::SettleTransfer(id) => transfer::settle(group, *id)?,
        Command::ReturnTransfer(id) => transfer::give_back(group, *id)?,
        Command::Authorize(request) => return authorize::decide(group, request, context),
        Command::ForcePost(request) => return force_post::decide(group, request, context),
        Command::Conclude(id, conclusion) => {
            return conclude::decide(group, *id, conclusion, context);
        }
        Command::Increment(step) => increment::decide(group, step, context)?,
        Command::Capture(step) => return capture::decide(group, step, context),
        Command::Reverse(step) => reverse::decide(group, step, context)?,
        Command::Expire(id) => reverse::expire(group, *id, context)?,
        Command::Refund(step) => return refund::decide(group, step, context),
        Command::ReverseRefund { step, refund } => {
            return refund::reverse(group, step, *refund, context);
        }
        Command::Absorb(absorption) => absorb::decide(group, absorption)?,
        Command::Simulate(simulation) => simulate::decide(group, simulation, context)?,
        Command::Books(command) => return books::decide(group, command, context),
    };
    Ok(vec![event])
}
