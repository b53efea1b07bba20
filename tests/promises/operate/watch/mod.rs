//! What an operator is shown and told: the alert rules, the dashboard, and the page that says what to do.

mod files;
mod live;
mod paper;
