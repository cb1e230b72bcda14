#include "transport/posix_watch.hpp"

#include <array>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "transport/posix_descriptor.hpp"

namespace sluice {

namespace {

using path = file_system::path;

/// What happens within this time after a change is told together.
constexpr int gathering_ms = 10;

constexpr std::uint32_t watched_changes =
  IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

class posix_watch final : public folder_watch {
public:
  posix_watch(descriptor events, descriptor stop, handler changed)
    : events_{std::move(events)}, stop_{std::move(stop)}, changed_{std::move(changed)}, thread_{[this] { run(); }} {}

  ~posix_watch() override {
    std::uint64_t one = 1;
    uninterrupted([&] { return ::write(stop_.get(), &one, sizeof one); });
    thread_.join();
  }

  expected<void> add(const path& folder) override {
    std::lock_guard guard{mutex_};
    auto number = ::inotify_add_watch(events_.get(), folder.c_str(), watched_changes);
    if (number == -1)
      return fail_with(errno, folder);
    folders_[number] = folder;
    return {};
  }

private:
  void run() {
    while (!stops_within(-1, events_.get())) {
      auto changed = take_events();
      if (!changed.empty())
        changed_({changed.begin(), changed.end()});
      if (stops_within(gathering_ms, -1))
        return;
    }
  }

  /// Waits for so many milliseconds, or until `other` has something. Returns whether this watch is to end.
  bool stops_within(int milliseconds, int other) {
    std::array<pollfd, 2> waited{pollfd{stop_.get(), POLLIN, 0}, pollfd{other, POLLIN, 0}};
    uninterrupted([&] { return ::poll(waited.data(), waited.size(), milliseconds); });
    return waited[0].revents != 0;
  }

  /// The paths that have changed; one that is empty if any may have.
  std::set<path> take_events() {
    alignas(inotify_event) std::array<char, 64 * 1024> space;
    std::set<path> changed;
    auto size = uninterrupted([&] { return ::read(events_.get(), space.data(), space.size()); });
    std::lock_guard guard{mutex_};
    for (ssize_t at = 0; at < size;) {
      auto& event = reinterpret_cast<const inotify_event&>(space[static_cast<std::size_t>(at)]);
      at += static_cast<ssize_t>(sizeof event + event.len);
      auto folder = folders_.find(event.wd);
      if (event.len > 0 && folder != folders_.end())
        changed.insert(folder->second / event.name);
      else
        changed.insert(path{}); // the queue has overflowed, or a folder has gone
      if ((event.mask & IN_IGNORED) && folder != folders_.end())
        folders_.erase(folder);
    }
    return changed;
  }

  descriptor events_, stop_;
  handler changed_;
  std::mutex mutex_;
  std::map<int, path> folders_; ///< By number of the watch.
  std::thread thread_;
};

} // namespace

expected<std::unique_ptr<folder_watch>> make_posix_watch(folder_watch::handler changed) {
  descriptor events{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  descriptor stop{::eventfd(0, EFD_CLOEXEC)};
  if (events.get() == -1 || stop.get() == -1)
    return fail_with(errno, "inotify");
  return std::make_unique<posix_watch>(std::move(events), std::move(stop), std::move(changed));
}

} // namespace sluice
