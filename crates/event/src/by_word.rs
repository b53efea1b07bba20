//! One of something for each word of a closed set: for each lane, for each person type.
//!
//! Promises: each word has its own, so looking one up cannot fail. Deliberately no map: the sets are closed.

use crate::{Lane, PersonType};

#[derive(Clone, Debug, Default)]
pub struct ByLane<T> {
    urgent: T,
    normal: T,
}

impl<T> ByLane<T> {
    /// `make` is asked once for each lane.
    pub fn new(mut make: impl FnMut(Lane) -> T) -> ByLane<T> {
        ByLane {
            urgent: make(Lane::Urgent),
            normal: make(Lane::Normal),
        }
    }

    pub const fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Normal => &self.normal,
        }
    }

    pub const fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Normal => &mut self.normal,
        }
    }

    /// Each lane with its own.
    pub fn iter(&self) -> impl Iterator<Item = (Lane, &T)> {
        Lane::ALL.iter().map(|lane| (*lane, self.of(*lane)))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByType<T> {
    employee: T,
    visitor: T,
    blacklist: T,
    stranger: T,
    vip: T,
    unknown: T,
}

impl<T> ByType<T> {
    /// `make` is asked once for each person type.
    pub fn new(mut make: impl FnMut(PersonType) -> T) -> ByType<T> {
        ByType {
            employee: make(PersonType::Employee),
            visitor: make(PersonType::Visitor),
            blacklist: make(PersonType::Blacklist),
            stranger: make(PersonType::Stranger),
            vip: make(PersonType::Vip),
            unknown: make(PersonType::Unknown),
        }
    }

    pub const fn of(&self, person_type: PersonType) -> &T {
        match person_type {
            PersonType::Employee => &self.employee,
            PersonType::Visitor => &self.visitor,
            PersonType::Blacklist => &self.blacklist,
            PersonType::Stranger => &self.stranger,
            PersonType::Vip => &self.vip,
            PersonType::Unknown => &self.unknown,
        }
    }

    pub const fn of_mut(&mut self, person_type: PersonType) -> &mut T {
        match person_type {
            PersonType::Employee => &mut self.employee,
            PersonType::Visitor => &mut self.visitor,
            PersonType::Blacklist => &mut self.blacklist,
            PersonType::Stranger => &mut self.stranger,
            PersonType::Vip => &mut self.vip,
            PersonType::Unknown => &mut self.unknown,
        }
    }

    /// Each person type with its own.
    pub fn iter(&self) -> impl Iterator<Item = (PersonType, &T)> {
        let each = PersonType::ALL.iter();
        each.map(|person_type| (*person_type, self.of(*person_type)))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let ByType {
            employee,
            visitor,
            blacklist,
            stranger,
            vip,
            unknown,
        } = self;
        [employee, visitor, blacklist, stranger, vip, unknown].into_iter()
    }
}
