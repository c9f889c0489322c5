//! The processors' times as the system counts them.

use jackfield_gateway::world::CpuTimes;

/// The times since the system started; `None` where there is no `/proc/stat`.
pub(super) fn times() -> Option<CpuTimes> {
    parse(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// The first line: `cpu user nice system idle iowait irq softirq steal guest guest_nice`, see proc_stat(5).
/// Guest time is counted in `user` already.
fn parse(stat: &str) -> Option<CpuTimes> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
    let times: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    let all: u64 = times.iter().sum();
    let idle = times.get(3)? + times.get(4).copied().unwrap_or(0);
    Some(CpuTimes { busy: all.saturating_sub(idle), all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_line_and_nothing_else() {
        let stat = "cpu  10 2 3 80 5 0 0 0 7 0\ncpu0 1 1 1 1 1 1 1 1\n";
        assert_eq!(parse(stat), Some(CpuTimes { busy: 15, all: 100 }));
        for bad in ["", "cpu0 1 2 3 4", "cpu  1 2 x 4", "cpu  1 2 3"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
