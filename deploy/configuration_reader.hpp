#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/yaml_tree.hpp"
#include "messages/errc.hpp"

namespace sluice {

/// What is wrong with a configuration, and where.
struct configuration_problem {
  text_place place;
  std::string key; ///< As `ship.batch.timeout`.
  std::string message;
};

/// A value of a configuration as it is written.
struct configuration_setting {
  std::string text;
  text_place place;

  /// Wherever it stands.
  friend bool operator==(const configuration_setting& a, const configuration_setting& b) { return a.text == b.text; }
};

/// What is found while a configuration is read.
struct configuration_findings {
  std::vector<configuration_problem> problems;
  std::map<std::string, configuration_setting> settings; ///< By key; those of a list as `receive.listen.1`.
};

/// Reads one map of a configuration. Every key that it may have is asked for, then `finish` tells of those that nobody
/// has asked for. What is wrong is noted, and the reading goes on.
class section_reader {
public:
  /// `key` is that of the map; empty for the whole file.
  section_reader(configuration_findings& found, const yaml_node& node, std::string key);

  const text_place& place() const noexcept { return node_.place; }
  const std::string& key() const noexcept { return key_; }
  bool has(std::string_view name);

  /// Every member, for maps whose keys the user chooses.
  const std::vector<yaml_node::member>& members() const noexcept { return node_.members; }

  /// The value of `name`, if it is given, as `parse` understands it. Returns whether it is there and right.
  template <class T, class Parse>
  bool value(std::string_view name, T& to, Parse parse) {
    auto* node = find(name);
    return node && scalar(*node, key_of(name), to, parse);
  }

  /// The same for a list of values, or a single one.
  template <class T, class Parse>
  void list(std::string_view name, std::vector<T>& to, Parse parse) {
    auto* node = find(name);
    if (!node)
      return;
    if (node->kind != yaml_node::kind_type::list)
      add_item(*node, key_of(name), to, parse);
    else if (node->items.empty())
      complain(node->place, key_of(name), "the list is empty");
    for (std::size_t i = 0; i < node->items.size(); ++i)
      add_item(node->items[i], key_of(name) + "." + std::to_string(i + 1), to, parse);
  }

  /// Hands a reader of the map `name` to `read`, if it is given.
  void section(std::string_view name, const std::function<void(section_reader&)>& read);

  /// The same for each map of the list `name`, of which there may be `most`.
  void sections(std::string_view name, std::size_t most, const std::function<void(section_reader&)>& read);

  /// Refuses `name` with a reason, if it is given.
  void refuse(std::string_view name, std::string_view why);

  /// Refuses the map if `name` is not given.
  void require(std::string_view name, std::string_view why);

  void complain(const text_place& where, std::string key, std::string message);
  std::string key_of(std::string_view name) const;
  text_place place_of(std::string_view name) const;

  /// Tells of unknown keys.
  void finish();

private:
  const yaml_node* find(std::string_view name);
  void check_twice();
  void read_section(const yaml_node& node, std::string key, const std::function<void(section_reader&)>& read);

  /// Notes the value; false if the node is none.
  bool note(const yaml_node& node, const std::string& key);

  template <class T, class Parse>
  bool scalar(const yaml_node& node, const std::string& key, T& to, Parse parse) {
    if (!note(node, key))
      return false;
    auto parsed = parse(node.text);
    if (!parsed) {
      complain(node.place, key, parsed.error().message);
      return false;
    }
    to = std::move(*parsed);
    return true;
  }

  template <class T, class Parse>
  void add_item(const yaml_node& node, const std::string& key, std::vector<T>& to, Parse parse) {
    T item{};
    if (scalar(node, key, item, parse))
      to.push_back(std::move(item));
  }

  configuration_findings& found_;
  const yaml_node& node_;
  std::string key_;
  std::vector<std::string> known_;
};

/// The one of `known` that was probably meant, or nothing.
std::string_view suggest(std::string_view written, const std::vector<std::string>& known);

} // namespace sluice
