#pragma once

namespace sluice {

/// Whether the present thread is one of Sluice's own. What it logs must not become a record that Sluice ships: each
/// failure to ship would make another one.
inline constinit thread_local bool is_own_thread = false;

} // namespace sluice
