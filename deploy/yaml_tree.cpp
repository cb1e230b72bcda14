#include "deploy/yaml_tree.hpp"

#include <algorithm>
#include <optional>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "messages/label_set.hpp"

namespace sluice {

namespace {

using kind = yaml_node::kind_type;

text_place place_of(const YAML::Mark& mark) {
  return mark.is_null() ? text_place{} : text_place{mark.line + 1, mark.column + 1};
}

/// Ends the parser, which has no other way out of a document.
struct refused {
  yaml_problem why;
};

/// Builds the tree from what the parser tells.
class tree_builder : public YAML::EventHandler {
public:
  yaml_node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(kind::null, mark, anchor); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }

  void OnScalar(
    const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    constexpr std::string_view quoted = "!", unquoted = "?";
    auto is_empty = tag != quoted && (value.empty() || value == "~" || value == "null");
    if (tag != quoted && tag != unquoted && !tag.empty())
      throw refused{{place_of(mark), fmt::format("the tag '{}' is not supported; leave it out", tag)}};
    add(is_empty ? kind::null : kind::scalar, mark, anchor, value);
  }

  void OnSequenceStart(
    const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    begin(kind::list, mark, anchor);
  }
  void OnSequenceEnd() override { open_.pop_back(); }

  void OnMapStart(
    const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    begin(kind::map, mark, anchor);
  }
  void OnMapEnd() override { open_.pop_back(); }

private:
  /// A list or map that is not complete; a map may wait for the value of a key.
  struct container {
    yaml_node* node;
    bool has_key = false;
  };

  [[noreturn]] static void refuse_anchor(const YAML::Mark& mark) {
    throw refused{{place_of(mark), "anchors and aliases are not supported; write the value where it is used"}};
  }

  void begin(kind what, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (open_.size() == max_yaml_depth)
      throw refused{{place_of(mark), fmt::format("nested more than {} deep", max_yaml_depth)}};
    if (auto* made = add(what, mark, anchor))
      open_.push_back({made});
  }

  /// The node that was added, unless it is a key.
  yaml_node* add(kind what, const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& text = {}) {
    if (anchor != YAML::NullAnchor)
      refuse_anchor(mark);
    if (++count_ > max_yaml_nodes)
      throw refused{{place_of(mark), fmt::format("more than {} values", max_yaml_nodes)}};
    auto place = place_of(mark);
    if (open_.empty()) {
      root_ = {what, place, text, {}, {}};
      return &root_;
    }
    auto& [parent, has_key] = open_.back();
    if (parent->kind == kind::list)
      return &parent->items.emplace_back(yaml_node{what, place, text, {}, {}});
    if (std::exchange(has_key, !has_key)) {
      parent->members.back().value = {what, place, text, {}, {}};
      return &parent->members.back().value;
    }
    if (what != kind::scalar)
      throw refused{{place, "a key must be a word"}};
    parent->members.push_back({text, place, {}});
    return nullptr;
  }

  yaml_node root_;
  std::vector<container> open_;
  std::size_t count_ = 0;
};

/// What no parser should have to deal with: bytes that are no text, and tabs where the depth of a line is counted.
std::optional<yaml_problem> check_lines(std::string_view text) {
  for (int number = 1; !text.empty(); ++number) {
    auto line = text.substr(0, text.find('\n'));
    if (!is_utf8(line) || line.find('\0') != line.npos)
      return yaml_problem{{number, 1}, "this line is not UTF-8 text"};
    if (auto begin = line.find_first_not_of(' '); begin != line.npos && line[begin] == '\t')
      return yaml_problem{{number, static_cast<int>(begin) + 1}, "a tab before the text; use spaces"};
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return std::nullopt;
}

} // namespace

tl::expected<yaml_node, yaml_problem> parse_yaml(const std::string& text) {
  if (auto wrong = check_lines(text))
    return tl::unexpected{*wrong};
  try {
    std::istringstream stream{text};
    YAML::Parser parser{stream};
    tree_builder builder, second;
    parser.HandleNextDocument(builder);
    if (parser.HandleNextDocument(second))
      return tl::unexpected{yaml_problem{second.take().place, "a second document; give each a file of its own"}};
    return builder.take();
  } catch (const refused& x) {
    return tl::unexpected{x.why};
  } catch (const YAML::Exception& x) {
    return tl::unexpected{yaml_problem{place_of(x.mark), x.msg}};
  }
}

} // namespace sluice
