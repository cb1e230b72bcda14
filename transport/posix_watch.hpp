#pragma once

#include <memory>

#include "transport/file_system.hpp"

namespace sluice {

/// Watches folders by inotify(7), with a thread of its own that calls `changed`. What changes within a few milliseconds
/// is told at once, so that a busy writer costs little.
expected<std::unique_ptr<folder_watch>> make_posix_watch(folder_watch::handler changed);

} // namespace sluice
