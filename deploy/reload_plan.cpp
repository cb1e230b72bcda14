#include "deploy/reload_plan.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "deploy/http_lane.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

using settings = std::map<std::string, configuration_setting>;

/// The keys whose values differ, or that only one of the two has.
std::set<std::string> changed_keys(const settings& a, const settings& b) {
  std::set<std::string> found;
  for (auto [one, other] : {std::pair{&a, &b}, std::pair{&b, &a}})
    for (auto& [key, value] : *one)
      if (auto match = other->find(key); match == other->end() || !(match->second == value))
        found.insert(key);
  return found;
}

/// Where the value stands, or if it is not there any more, where its section begins.
text_place place_of(const settings& in, std::string key) {
  for (;;) {
    auto at = in.lower_bound(key);
    if (at != in.end() && at->first.starts_with(key))
      return at->second.place;
    auto dot = key.rfind('.', key.size() - 2);
    if (dot == key.npos)
      return {};
    key.resize(dot + 1);
  }
}

class planner {
public:
  planner(const configuration& present, const configuration& next)
    : present_(present), next_(next), changed_(changed_keys(present.settings, next.settings)) {}

  tl::expected<reload_plan, std::vector<configuration_problem>> plan() {
    refuse_what_needs_a_restart();
    if (!problems_.empty())
      return tl::unexpected{std::move(problems_)};
    plan_sources();
    plan_listeners();
    return std::move(plan_);
  }

private:
  bool has_changed(std::string_view prefix) const {
    auto at = changed_.lower_bound(std::string{prefix});
    return at != changed_.end() && at->starts_with(prefix);
  }

  void refuse_what_needs_a_restart() {
    if (present_.receive.has_value() != next_.receive.has_value())
      refuse("receive");
    for (auto& key : changed_) {
      auto is_in = [&key](std::string_view section) { return key.starts_with(section); };
      auto is_planned = is_in("sources.") || is_in("ship.") || is_in("receive.");
      if (key == "receive.max_connections" || (!is_planned && key != "node.log_level" && key != "node.drain_timeout"))
        refuse(key);
    }
    std::ranges::sort(problems_, {}, [](auto& x) { return std::tie(x.place, x.key); });
  }

  void refuse(const std::string& key) {
    problems_.push_back(
      {place_of(next_.settings, key), key, "this cannot change while the node runs; it needs a restart"});
  }

  void plan_sources() {
    for (auto& [name, options] : next_.sources)
      if (!present_.sources.contains(name))
        plan_.added_sources.push_back(name);
      else if (has_changed("ship.") || has_changed("sources." + name + "."))
        plan_.changed_sources.push_back(name);
    for (auto& [name, options] : present_.sources)
      if (!next_.sources.contains(name))
        plan_.removed_sources.push_back(name);
  }

  void plan_listeners() {
    auto old = present_.receive ? present_.receive->listen : std::vector<endpoint>{};
    auto wanted = next_.receive ? next_.receive->listen : std::vector<endpoint>{};
    match(old, wanted, std::equal_to{});
    match(old, wanted, have_same_address);
    plan_.listeners.removed = std::move(old);
    plan_.listeners.added = std::move(wanted);
  }

  /// Takes out of both lists what corresponds.
  template <class Corresponds>
  void match(std::vector<endpoint>& old, std::vector<endpoint>& wanted, Corresponds corresponds) {
    std::erase_if(wanted, [&](const endpoint& x) {
      auto found = std::ranges::find_if(old, [&](const endpoint& y) { return corresponds(y, x); });
      if (found == old.end())
        return false;
      if (*found != x || is_affected(x))
        plan_.listeners.replaced.emplace_back(*found, x);
      old.erase(found);
      return true;
    });
  }

  /// By what has changed beside the list of listeners.
  bool is_affected(const endpoint& x) const {
    auto relays = next_.receive && next_.receive->relay;
    return std::ranges::any_of(changed_, [&](const std::string& key) {
      if (key.starts_with("ship."))
        return relays;
      if (!key.starts_with("receive.") || key.starts_with("receive.listen"))
        return false;
      if (key.starts_with("receive.tls."))
        return is_tls_scheme(x.scheme);
      if (key == "receive.lines")
        return x.scheme == "lines+tcp";
      if (key == "receive.http_token_file")
        return is_http_scheme(x.scheme);
      if (key == "receive.max_message_bytes")
        return is_ingest_scheme(x.scheme);
      return !takes_frames(x);
    });
  }

  const configuration& present_;
  const configuration& next_;
  std::set<std::string> changed_;
  std::vector<configuration_problem> problems_;
  reload_plan plan_;
};

} // namespace

tl::expected<reload_plan, std::vector<configuration_problem>> plan_reload(
  const configuration& present, const configuration& next) {
  return planner{present, next}.plan();
}

std::string to_string(const reload_plan& plan) {
  std::vector<std::string> parts;
  auto add = [&parts](std::size_t count, std::string_view what, std::string_view how) {
    if (count > 0)
      parts.push_back(fmt::format("{} {}", counted(count, what), how));
  };
  add(plan.added_sources.size(), "source", "added");
  add(plan.changed_sources.size(), "source", "changed");
  add(plan.removed_sources.size(), "source", "removed");
  add(plan.listeners.added.size(), "listener", "added");
  add(plan.listeners.replaced.size(), "listener", "replaced");
  add(plan.listeners.removed.size(), "listener", "removed");
  return parts.empty() ? "sources and listeners stay as they are" : fmt::format("{}", fmt::join(parts, ", "));
}

} // namespace sluice
