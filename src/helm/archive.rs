//! Chart archives: a gzipped tar with one folder at its top, read from bytes.
//!
//! The checks are Helm's: no absolute paths, no `..`, no drive letters, nothing outside the top folder, 100 MiB
//! unpacked at most. On top of them the number of entries is limited.

use std::io::Read;
use std::sync::Arc;

/// The most bytes of a chart, unpacked.
pub(super) const MAX_CHART_BYTES: u64 = 100 * 1024 * 1024;
/// The most entries of an archive.
const MAX_ENTRIES: usize = 100_000;

/// A file of a chart: its path from the chart's folder, and its bytes without a byte order mark.
pub(super) type RawFile = (String, Arc<[u8]>);

/// Reads the files of a chart archive in the archive's order.
///
/// # Errors
/// What is wrong with the archive.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<RawFile>, String> {
    if !bytes.starts_with(b"\x1f\x8b\x08") {
        return Err("it is not a gzipped archive: a packaged chart (.tgz) is expected".to_owned());
    }
    // The reader ends after the limit, so that a small archive cannot unpack without end.
    let unzipped = flate2::read::MultiGzDecoder::new(bytes).take(MAX_CHART_BYTES * 2);
    let mut archive = tar::Archive::new(unzipped);
    let mut left = MAX_CHART_BYTES;
    let mut files = Vec::new();
    for (n, entry) in archive.entries().map_err(|e| e.to_string())?.enumerate() {
        if n >= MAX_ENTRIES {
            return Err(format!("it has more than {MAX_ENTRIES} entries"));
        }
        let mut entry = entry.map_err(|e| format!("the archive is damaged: {e}"))?;
        let kind = entry.header().entry_type();
        let raw = entry.path_bytes();
        let name = std::str::from_utf8(&raw).map_err(|_| "a file name is not UTF-8".to_owned())?.to_owned();
        drop(raw);
        if kind.is_dir() || name.ends_with('/') {
            continue;
        }
        if kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let path = inner_path(&name)?;
        if entry.size() > left {
            return Err(format!("decompressed chart is larger than the maximum size {MAX_CHART_BYTES}"));
        }
        let mut data = Vec::new();
        let size = entry.size();
        (&mut entry).take(left).read_to_end(&mut data).map_err(|e| format!("{name}: {e}"))?;
        left -= data.len() as u64;
        if (data.len() as u64) < size || left == 0 {
            return Err(format!("decompressed chart is larger than the maximum size {MAX_CHART_BYTES}"));
        }
        files.push((path, without_bom(data)));
    }
    if files.is_empty() {
        return Err("no files in chart archive".to_owned());
    }
    Ok(files)
}

/// Takes the byte order mark off, as Helm does with every file of a chart.
#[must_use]
pub(super) fn without_bom(data: Vec<u8>) -> Arc<[u8]> {
    match data.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => Arc::from(rest),
        None => Arc::from(data),
    }
}

/// The path inside the chart: the first segment goes, the rest must stay inside.
fn inner_path(name: &str) -> Result<String, String> {
    let separator = if name.contains('\\') { '\\' } else { '/' };
    let (top, rest) = name.split_once(separator).unwrap_or((name, ""));
    let rest = rest.replace(separator, "/");
    if rest.starts_with('/') {
        return Err("chart illegally contains absolute paths".to_owned());
    }
    let mut clean: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if clean.pop().is_none() => {
                return Err("chart illegally references parent directory".to_owned());
            }
            ".." => {}
            part => clean.push(part),
        }
    }
    if clean.is_empty() {
        return Err(format!("chart illegally contains content outside the base directory: {name:?}"));
    }
    // `..foo` is a plain name, but the original refuses it too.
    if clean[0].starts_with("..") {
        return Err("chart illegally references parent directory".to_owned());
    }
    let first = clean[0].as_bytes();
    if clean.len() > 1 && first.len() == 2 && first[0].is_ascii_alphabetic() && first[1] == b':' {
        return Err("chart contains illegally named files".to_owned());
    }
    if top == "Chart.yaml" {
        return Err("chart yaml not in base directory".to_owned());
    }
    Ok(clean.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, data) in files {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.extend_from_slice(header.as_bytes());
            tar.extend_from_slice(data);
            tar.resize(tar.len().div_ceil(512) * 512, 0);
        }
        tar.resize(tar.len() + 1024, 0);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar).unwrap();
        gz.finish().unwrap()
    }

    #[test]
    fn an_archive_loses_its_top_folder_and_byte_order_marks() {
        let files =
            read(&pack(&[("c/Chart.yaml", b"\xef\xbb\xbfname: c"), ("c/templates/a.yaml", b"x")])).unwrap();
        assert_eq!(files[0], ("Chart.yaml".to_owned(), Arc::from(&b"name: c"[..])));
        assert_eq!(files[1].0, "templates/a.yaml");
    }

    #[test]
    fn paths_that_leave_the_chart_are_refused() {
        for (name, why) in [
            ("c//etc/passwd", "absolute"),
            ("c/../../x", "parent directory"),
            ("c/..", "parent directory"),
            ("Chart.yaml", "outside the base directory"),
            ("c/c:/foo", "illegally named"),
        ] {
            let error = read(&pack(&[(name, b"x")])).unwrap_err();
            assert!(error.contains(why), "{name}: {error}");
        }
    }

    #[test]
    fn what_is_not_an_archive_is_refused() {
        assert!(read(b"name: chart").unwrap_err().contains("not a gzipped archive"));
        assert!(read(&pack(&[])).unwrap_err().contains("no files"));
        let mut cut = pack(&[("c/Chart.yaml", b"name: c")]);
        cut.truncate(cut.len() / 2);
        assert!(read(&cut).is_err());
    }
}
