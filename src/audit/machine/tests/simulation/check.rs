//! What must hold of the tables once everything has come to rest.

use super::super::super::*;
use super::super::database::POISON;
use super::process::Process;
use super::world::World;
use crate::audit::record::Record;

/// # Errors
/// What does not hold.
pub(super) fn whole(world: &World) -> Result<(), String> {
    if let Some(fault) = world.server.database().fault() {
        return Err(fault);
    }
    chains_are_whole(world)?;
    for process in &world.processes {
        calls_are_whole(world, process)?;
        ended_well(world, process)?;
    }
    Ok(())
}

/// A chain has records, and one that is closed says so in its last.
fn chains_are_whole(world: &World) -> Result<(), String> {
    for chain in world.server.database().in_order() {
        let Some(last) = chain.records.last() else {
            return Err(format!("chain {} has no record", chain.no));
        };
        if !chain.records.first().is_some_and(|first| says(first, "opened")) {
            return Err(format!("chain {} does not begin with its opening", chain.no));
        }
        if chain.closed && !says(last, "closed") {
            return Err(format!("chain {} is closed and its last record does not say so", chain.no));
        }
        if chain.records.iter().any(|record| record.entry.action.as_deref() == Some(POISON)) {
            return Err("what the database refuses stands there".into());
        }
    }
    Ok(())
}

/// Whether a record tells this of its chain.
fn says(record: &Record, event: &str) -> bool {
    let event = format!("\"event\":\"{event}\"");
    record.entry.kind == Kind::Chain && record.entry.detail.as_deref().is_some_and(|it| it.contains(&event))
}

/// A call's records stand there together, once, or not at all; those of an acknowledged call stand there.
fn calls_are_whole(world: &World, process: &Process) -> Result<(), String> {
    let restores = world.server.restores;
    for (ticket, asked) in &process.asked {
        let found = world.server.placed(process.life, *ticket).len();
        let name = format!("call {ticket} of writer {}", process.life);
        if found != 0 && found != asked.size {
            return Err(format!("{name}: {found} of {} records stand there", asked.size));
        }
        let is_acknowledged = match &asked.answer {
            Some(Ok(Some(_))) => true,
            // Answered before its commit: kept, unless the process was killed or the data refused.
            Some(Ok(None)) => !process.is_gone && !asked.is_poison,
            Some(Err(_)) | None => false,
        };
        // What a restore took is the backup's to answer for, and is named by the next chain.
        let may_be_gone = restores > asked.restores || restores > process.restores_before;
        if is_acknowledged && found == 0 && !may_be_gone {
            return Err(format!("{name} was acknowledged and is not there"));
        }
        let is_refused = matches!(
            asked.answer,
            Some(Err(Failure::Refused | Failure::Fenced | Failure::Overloaded | Failure::Closing))
        );
        if is_refused && found != 0 {
            return Err(format!("{name} was refused and stands there"));
        }
    }
    Ok(())
}

/// A writer that was not killed ends, and leaves its chain closed unless somebody took it.
fn ended_well(world: &World, process: &Process) -> Result<(), String> {
    if process.is_gone {
        return Ok(());
    }
    if !process.is_closed {
        return Err(format!("writer {} does not end", process.life));
    }
    let Some(chain) = &process.chain else { return Ok(()) };
    let Some(stands) = world.server.database().chains.get(chain.as_str()) else { return Ok(()) };
    let is_taken = world.server.known(chain).is_some_and(|known| known.is_taken);
    if stands.closed || is_taken || world.server.restores > process.restores_before {
        Ok(())
    } else {
        Err(format!("writer {} ended and left chain {} open", process.life, stands.no))
    }
}
