#pragma once

#include <memory>
#include <vector>

#include "actors/transform/record_rule.hpp"

namespace sluice {

/// Applies a list of transforms to one record after another. Its memory is used again: nothing is allocated per record
/// unless it is larger than all before. Not thread-safe.
class transform_chain {
public:
  explicit transform_chain(const std::vector<record_transform>& what);

  /// Returns `unchanged`, `changed`, `filtered` or `sampled`. A rule that fails is counted, and the others are applied
  /// all the same. What is set holds until the next call. Needs a `max_bytes` that the record does not exceed.
  rule_outcome apply(record_view& record, const record_place& at);

  /// Calls `take(reason, times)` for the failures since the last time, with reasons as in docs/specs/transforms.md.
  template <class Take>
  void take_failures(Take take) {
    for (auto& x : links_)
      if (x.unparsed > 0)
        take(x.name, std::exchange(x.unparsed, 0));
    if (too_large_ > 0)
      take(std::string_view{"too_large"}, std::exchange(too_large_, 0));
  }

private:
  struct link {
    std::string_view name;
    std::unique_ptr<record_rule> rule;
    std::uint64_t unparsed = 0;
  };

  std::vector<link> links_;
  std::uint64_t too_large_ = 0;
};

} // namespace sluice
