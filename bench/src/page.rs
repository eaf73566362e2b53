//! Puts a report between the markers of a documentation page.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

pub(crate) fn write(file: &Path, report: &str) -> Result<()> {
    let page = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let page =
        between_markers(&page, report).with_context(|| format!("{} has no {BEGIN} and {END}", file.display()))?;
    Ok(fs::write(file, page)?)
}

fn between_markers(page: &str, report: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", report.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nend\n");
        let wanted = format!("# Title\n{BEGIN}\n\nnew\n\n{END}\nend\n");
        assert_eq!(between_markers(&page, "new\n"), Some(wanted));
        assert_eq!(between_markers("# Title", "new"), None);
    }
}
