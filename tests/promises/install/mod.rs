//! How the program gets onto a machine: the Helm chart, the image, the Debian package, the release.

mod chart;
mod pack;
