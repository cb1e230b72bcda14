#include "deploy/configuration_reader.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace sluice {

namespace {

using kind = yaml_node::kind_type;

std::string_view name_of(kind x) {
  switch (x) {
  case kind::null:
    return "nothing";
  case kind::scalar:
    return "a value";
  case kind::list:
    return "a list";
  case kind::map:
    return "a section";
  }
  return "";
}

/// How many letters have to be changed, added, left out, or exchanged with their neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, row);
  }
  return last[b.size()];
}

} // namespace

std::string_view suggest(std::string_view written, const std::vector<std::string>& known) {
  constexpr std::size_t longest = 64;
  if (written.size() > longest)
    return {};
  std::string_view best;
  auto least = std::max<std::size_t>(1, written.size() / 3) + 1;
  for (auto& name : known)
    if (auto distance = edit_distance(written, name); distance < least) {
      least = distance;
      best = name;
    }
  return best;
}

section_reader::section_reader(configuration_findings& found, const yaml_node& node, std::string key)
  : found_(found), node_(node), key_(std::move(key)) {
  check_twice();
}

void section_reader::check_twice() {
  std::map<std::string_view, text_place> seen;
  for (auto& x : node_.members)
    if (auto [first, is_new] = seen.emplace(x.key, x.place); !is_new)
      complain(x.place, key_of(x.key), fmt::format("given twice; it is in line {} already", first->second.line));
}

std::string section_reader::key_of(std::string_view name) const {
  return key_.empty() ? std::string{name} : fmt::format("{}.{}", key_, name);
}

text_place section_reader::place_of(std::string_view name) const {
  auto found = std::ranges::find(node_.members, name, &yaml_node::member::key);
  return found == node_.members.end() ? node_.place : found->place;
}

bool section_reader::has(std::string_view name) {
  return find(name) != nullptr;
}

const yaml_node* section_reader::find(std::string_view name) {
  if (std::ranges::find(known_, name) == known_.end())
    known_.emplace_back(name);
  auto found = std::ranges::find(node_.members, name, &yaml_node::member::key);
  return found == node_.members.end() ? nullptr : &found->value;
}

bool section_reader::note(const yaml_node& node, const std::string& key) {
  if (node.kind != kind::scalar) {
    complain(node.place, key, fmt::format("a value is expected here, not {}", name_of(node.kind)));
    return false;
  }
  found_.settings[key] = {node.text, node.place};
  return true;
}

void section_reader::section(std::string_view name, const std::function<void(section_reader&)>& read) {
  if (auto* node = find(name))
    read_section(*node, key_of(name), read);
}

void section_reader::sections(
  std::string_view name, std::size_t most, const std::function<void(section_reader&)>& read) {
  auto* node = find(name);
  if (!node)
    return;
  if (node->kind != kind::list || node->items.empty() || node->items.size() > most)
    return complain(node->place, key_of(name), fmt::format("a list of 1 to {} items is expected here", most));
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    auto& item = node->items[i];
    auto key = fmt::format("{}.{}", key_of(name), i + 1);
    // An item may have a name and no value, as `parse_json: {}`, and is another one with another name.
    for (auto& x : item.members)
      found_.settings[key].text += x.key + ':';
    read_section(item, key, read);
  }
}

void section_reader::read_section(
  const yaml_node& node, std::string key, const std::function<void(section_reader&)>& read) {
  if (node.kind != kind::map)
    return complain(
      node.place, std::move(key), fmt::format("a section with keys is expected here, not {}", name_of(node.kind)));
  section_reader reader{found_, node, std::move(key)};
  read(reader);
}

void section_reader::refuse(std::string_view name, std::string_view why) {
  if (find(name))
    complain(place_of(name), key_of(name), std::string{why});
}

void section_reader::require(std::string_view name, std::string_view why) {
  if (!find(name))
    complain(place(), key_of(name), std::string{why});
}

void section_reader::complain(const text_place& where, std::string key, std::string message) {
  found_.problems.push_back({where, std::move(key), std::move(message)});
}

void section_reader::finish() {
  for (auto& x : node_.members) {
    if (std::ranges::find(known_, x.key) != known_.end())
      continue;
    auto meant = suggest(x.key, known_);
    complain(x.place, key_of(x.key),
      meant.empty() ? fmt::format("unknown; there are {}", fmt::join(known_, ", "))
                    : fmt::format("unknown; did you mean '{}'?", meant));
  }
}

} // namespace sluice
