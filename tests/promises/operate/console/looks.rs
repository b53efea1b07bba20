//! Every page, on every screen, in both languages.

use super::{browse, gateway, nothing};

#[test]
fn every_page_opens_in_both_languages_on_a_telephone_and_on_a_wall_and_asks_nobody_else() {
    browse("shell.mjs", gateway(&[]), nothing);
}
