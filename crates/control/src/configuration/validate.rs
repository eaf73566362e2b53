//! A whole configuration checked without being stored.

use std::collections::BTreeSet;

use model::{Change, Fault, GroupId, ResourceKey};
use plan::Compiler;
use serde_json::Value;

use super::Operation;
use super::draft::{Draft, item_faults};
use super::head::GroupHead;
use super::write::blame;
use crate::control::Control;
use crate::error::{ControlError, ItemFault};
use crate::iam::{Action, Actor};

/// The dry run tells of one object at a time; after so many it is enough.
const MAX_ROUNDS: usize = 64;

impl Control {
    /// Everything that is wrong with these operations on top of what the group holds; nothing is changed. An empty
    /// list means that they would be accepted as one batch.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn validate_configuration(
        &self,
        actor: &Actor,
        group: &GroupId,
        operations: Vec<Operation>,
    ) -> Result<Vec<ItemFault>, ControlError> {
        let permit = self.permit(actor, Action::GetGatewayGroup, group).await?;
        let mut held = self.hold_head(permit.group()).await?;
        let mut trial = Trial { remaining: operations.into_iter().enumerate().collect(), faults: Vec::new() };
        for round in 0..MAX_ROUNDS {
            let Some(changes) = trial.draft(self, &held.head, round == 0) else { continue };
            // An error leaves a head that is not whole, or the one from before: dropping it is right either way.
            if trial.dry_run(&mut held.head, changes).await? {
                break;
            }
        }
        held.put_back();
        trial.faults.sort_by_key(|fault| fault.index);
        Ok(trial.faults)
    }

    /// What keeps a resource from being served, whatever else there is; a reference in it that leads nowhere does not.
    pub fn fault_alone(&self, key: &ResourceKey, body: &Value) -> Option<Fault> {
        let mut compiler = Compiler::new(self.inner.registry);
        compiler.load(&[Change::Put(key.clone(), body.to_string().into_bytes().into())]);
        let rejection = compiler.faulty().find(|rejection| !rejection.is_of_reference())?;
        Some(Fault::new(rejection.pointer.clone(), rejection.message.clone()))
    }
}

/// Operations are tried together; those at fault are noted and left out, and the others tried again.
struct Trial {
    /// With their places in the request.
    remaining: Vec<(usize, Operation)>,
    faults: Vec<ItemFault>,
}

impl Trial {
    /// The changes of what remains; none when some of it had to be left out. Only the first round's faults are the
    /// caller's: later ones stem from what was left out before.
    fn draft(&mut self, control: &Control, head: &GroupHead, is_first: bool) -> Option<Vec<Change>> {
        let mut draft = Draft::new(control.inner.registry, head.state(), &head.references);
        draft.take(&self.operations());
        let faults = match draft.finish() {
            Ok(changes) => return Some(changes),
            Err(problems) => item_faults(problems),
        };
        let wrong: BTreeSet<usize> = faults.iter().map(|fault| fault.index).collect();
        if is_first {
            faults.into_iter().for_each(|fault| self.note(fault));
        }
        self.leave_out(&wrong);
        None
    }

    /// Compiles the changes and takes them back; whether all of them were good.
    async fn dry_run(&mut self, head: &mut GroupHead, changes: Vec<Change>) -> Result<bool, ControlError> {
        match head.apply_apart(changes).await?.outcome {
            Ok(undo) => head.undo(undo).await.map(|()| true),
            Err(rejection) => {
                let fault = blame(&self.operations(), rejection);
                let place = BTreeSet::from([fault.index]);
                self.note(fault);
                self.leave_out(&place);
                Ok(false)
            }
        }
    }

    fn leave_out(&mut self, places: &BTreeSet<usize>) {
        let mut place = 0..;
        self.remaining.retain(|_| place.next().is_none_or(|place| !places.contains(&place)));
    }

    fn operations(&self) -> Vec<Operation> {
        self.remaining.iter().map(|(_, operation)| operation.clone()).collect()
    }

    /// Keeps a fault under the place that its operation has in the request.
    fn note(&mut self, fault: ItemFault) {
        let index = self.remaining.get(fault.index).map_or(fault.index, |(index, _)| *index);
        self.faults.push(ItemFault { index, ..fault });
    }
}
