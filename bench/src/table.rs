//! Tables in Markdown, with columns aligned so that they read well on a terminal.

pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|text| (*text).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table under a heading; none when it has no rows.
    pub(crate) fn section(&self, heading: &str) -> Option<String> {
        (!self.rows.is_empty()).then(|| format!("### {heading}\n\n{}", self.render()))
    }

    fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.header.len()).map(|column| self.width(column)).collect();
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let lines = [&self.header, &rule].into_iter().chain(&self.rows);
        lines.map(|cells| line(cells, &widths)).collect()
    }

    fn width(&self, column: usize) -> usize {
        let cells = std::iter::once(&self.header).chain(&self.rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:<width$} |"));
    format!("|{}\n", cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["Case", "us"]);
        table.row(["plain".to_owned(), "1.5".to_owned()]);
        let wanted = "### CPU\n\n| Case  | us  |\n| ----- | --- |\n| plain | 1.5 |\n";
        assert_eq!(table.section("CPU").unwrap(), wanted);
    }

    #[test]
    fn a_table_without_rows_is_no_section() {
        assert_eq!(Table::new(&["Case"]).section("CPU"), None);
    }
}
