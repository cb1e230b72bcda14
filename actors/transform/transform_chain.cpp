#include "actors/transform/transform_chain.hpp"

namespace sluice {

transform_chain::transform_chain(const std::vector<record_transform>& what) {
  for (auto& x : what)
    links_.push_back({name_of(x), make_rule(x, links_.size())});
}

rule_outcome transform_chain::apply(record_view& record, const record_place& at) {
  auto result = rule_outcome::unchanged;
  for (auto& [name, rule, unparsed] : links_) {
    if (at.is_part && !rule->takes_parts())
      continue;
    auto outcome = rule->apply(record, at);
    if (outcome == rule_outcome::filtered || outcome == rule_outcome::sampled)
      return outcome;
    unparsed += outcome == rule_outcome::unparsed;
    too_large_ += outcome == rule_outcome::too_large || outcome == rule_outcome::emptied;
    if (outcome == rule_outcome::changed || outcome == rule_outcome::emptied)
      result = rule_outcome::changed;
  }
  return result;
}

} // namespace sluice
