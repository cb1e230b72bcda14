#pragma once

#include <algorithm>
#include <deque>

#include "actors/source/source_input.hpp"

namespace sluice {

/// What has been followed at one path, in the order in which it was written: what was rotated first comes first. Not
/// thread-safe.
class lineage {
public:
  /// What was written after all that is here. Those before it are to be read to their end again before it may follow:
  /// what was written to them before it began must not come after.
  void add(source_input& x) {
    for (auto* before : members_)
      before->is_at_end = false;
    members_.push_back(&x);
  }

  void remove(const source_input& x) { std::erase(members_, &x); }

  /// The next that may be announced; nullptr if there is none, or what was written before it is not stored yet.
  source_input* next() const {
    for (auto* x : members_) {
      if (x->now == source_input::stage::waiting)
        return x;
      if (!x->is_settled())
        return nullptr;
    }
    return nullptr;
  }

  const std::deque<source_input*>& members() const noexcept { return members_; }
  bool empty() const noexcept { return members_.empty(); }

private:
  std::deque<source_input*> members_;
};

} // namespace sluice
