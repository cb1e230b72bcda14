#pragma once

#include <functional>
#include <memory>

namespace sluice {

/// Where blocking calls run, so that no actor's thread waits for a disk. Thread-safe.
class executor {
public:
  virtual ~executor() = default;

  /// Runs `work` soon, elsewhere. Work that was accepted is run even while the executor is being destroyed.
  virtual void post(std::function<void()> work) = 0;
};

/// Runs work on `threads` threads of its own; its destructor waits for all of it.
std::unique_ptr<executor> make_thread_executor(std::size_t threads);

} // namespace sluice
