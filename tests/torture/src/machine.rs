//! Where all of this is run: a figure means nothing without the machine and the file system it was taken on.

use std::path::Path;

/// The processor, the kernel and the file system below `place`, on one line.
pub fn describe(place: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = model(&read("/proc/cpuinfo")).unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let kind = file_system(&read("/proc/self/mountinfo"), &place);
    let kind = kind.unwrap_or_else(|| "unknown file system".to_owned());
    format!("{processors} × {model}, Linux {}, {kind}", kernel.trim())
}

fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The kind of the file system that `place` is on: of the mounts above it, the last of the deepest.
fn file_system(mountinfo: &str, place: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        let kind = after.split(' ').next()?.to_owned();
        place.starts_with(&point).then_some((point.len(), kind))
    };
    let mounts = mountinfo.lines().filter_map(mount);
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_above_a_place_is_its_file_system() {
        let mounts = "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            30 21 0:25 / /my\\040boards rw - xfs /dev/vdb rw\n\
            31 21 0:26 / /my rw - tmpfs tmpfs rw\n";
        let kind = |place: &str| file_system(mounts, Path::new(place));
        assert_eq!(kind("/home/x").as_deref(), Some("ext4"));
        assert_eq!(kind("/my boards/one").as_deref(), Some("xfs"));
        assert_eq!(kind("/my/other").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/mystery").as_deref(), Some("ext4"));
    }

    #[test]
    fn the_processor_is_named_as_it_names_itself() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\n";
        assert_eq!(model(text).as_deref(), Some("Some CPU @ 2.00GHz"));
        assert_eq!(model("processor : 0\n"), None);
    }
}
