//! A set of person types, one bit each.

use boxbridge_event::PersonType;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeSet(u8);

impl TypeSet {
    pub const ALL: TypeSet = TypeSet((1 << PersonType::ALL.len()) - 1);

    pub fn of(person_type: PersonType) -> TypeSet {
        TypeSet(1 << person_type.number())
    }

    pub fn with(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 | other.0)
    }

    pub fn without(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 & !other.0)
    }

    pub fn contains(self, person_type: PersonType) -> bool {
        self.0 & (1 << person_type.number()) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = PersonType> {
        let all = PersonType::ALL.iter().copied();
        all.filter(move |person_type| self.contains(*person_type))
    }
}
