//! Every page, on every screen, in both languages.

use super::{browse, gateway, nothing};

#[test]
fn every_page_opens_in_both_languages_on_a_telephone_and_on_a_wall_and_asks_nobody_else() {
    browse("shell.mjs", gateway(&[]), nothing);
}

#[test]
fn the_console_says_everything_in_both_languages() {
    browse("words.mjs", gateway(&[]), nothing);
}
