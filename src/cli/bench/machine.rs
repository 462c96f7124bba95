//! Facts about the machine and about processes, from /proc; none of them is required.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use serde::Serialize;

/// Clock ticks a second in /proc/PID/stat. Source: `USER_HZ`, fixed on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a figure depends on besides the program.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) processor: String,
    pub(super) memory_bytes: u64,
    pub(super) kernel: String,
    pub(super) load_average: String,
    /// Of the own server; absent when it is someone else's.
    pub(super) data_dir: Option<PathBuf>,
    pub(super) file_system: Option<FileSystem>,
}

impl Machine {
    pub(super) fn examine(data_dir: Option<&Path>) -> Self {
        Self {
            cores: thread::available_parallelism().map_or(0, usize::from),
            processor: field("/proc/cpuinfo", "model name"),
            memory_bytes: kibibytes("/proc/meminfo", "MemTotal"),
            kernel: line("/proc/sys/kernel/osrelease"),
            load_average: line("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or("")
                .to_owned(),
            data_dir: data_dir.map(Path::to_owned),
            file_system: data_dir.and_then(FileSystem::of),
        }
    }
}

/// The file system that holds a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FileSystem {
    pub(super) kind: String,
    pub(super) device: String,
    pub(super) mount_point: PathBuf,
}

impl FileSystem {
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let directory = directory.canonicalize().ok()?;
        Self::among(&fs::read_to_string("/proc/mounts").ok()?, &directory)
    }

    /// True if a sync to it reaches no disk.
    pub(super) fn is_volatile(&self) -> bool {
        matches!(self.kind.as_str(), "tmpfs" | "ramfs")
    }

    fn among(mounts: &str, directory: &Path) -> Option<Self> {
        let mut best: Option<Self> = None;
        for line in mounts.lines() {
            let mut words = line.split(' ').map(|word| word.replace("\\040", " "));
            let (Some(device), Some(point), Some(kind)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let mount_point = PathBuf::from(point);
            let depth = |path: &Path| path.components().count();
            let deeper = best
                .as_ref()
                .is_none_or(|best| depth(&mount_point) >= depth(&best.mount_point));
            if directory.starts_with(&mount_point) && deeper {
                best = Some(Self {
                    kind,
                    device,
                    mount_point,
                });
            }
        }
        best
    }
}

/// Seconds of processor time `process` ("self" or a number) has used.
pub(super) fn processor_time_s(process: &str) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut words = after_name.split_whitespace().skip(11);
    let user: f64 = words.next()?.parse().ok()?;
    let system: f64 = words.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// Resident memory of a process in bytes.
pub(super) fn resident_bytes(pid: u32) -> u64 {
    kibibytes(&format!("/proc/{pid}/status"), "VmRSS")
}

fn line(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(key, _)| key.trim() == name);
    found.map_or(String::new(), |(_, value)| value.trim().to_owned())
}

fn kibibytes(path: &str, name: &str) -> u64 {
    let text = field(path, name);
    let number = text.split(' ').next().unwrap_or_default().parse::<u64>();
    number.map_or(0, |kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n\
            /dev/vdb /tmp/a\\040b xfs rw 0 0\nbroken\n";
        let kind = |path: &str| FileSystem::among(mounts, Path::new(path)).unwrap().kind;
        assert_eq!(kind("/home/x"), "ext4");
        assert_eq!(kind("/tmp/x"), "tmpfs");
        assert_eq!(kind("/tmp/a b/x"), "xfs");
        assert_eq!(kind("/tmpfoo"), "ext4");
    }

    #[test]
    fn own_process_has_time_and_memory() {
        assert!(processor_time_s("self").is_some());
        assert!(resident_bytes(std::process::id()) > 0);
        assert_eq!(resident_bytes(u32::MAX), 0);
    }
}
