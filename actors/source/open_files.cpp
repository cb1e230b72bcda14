#include "actors/source/open_files.hpp"

#include <algorithm>
#include <tuple>

namespace sluice {

void open_files::use(source_input& x) {
  x.used = ++uses_;
  if (std::ranges::find(opened_, &x) != opened_.end())
    return;
  opened_.push_back(&x);
  if (opened_.size() <= most_)
    return;
  // What has been moved away may move on, or be removed.
  auto order = [&](const source_input* file) {
    return std::tuple{file == &x, file->away_since.has_value(), file->used};
  };
  close(**std::ranges::min_element(opened_, {}, order));
}

void open_files::close(source_input& x) {
  x.opened.reset();
  std::erase(opened_, &x);
}

} // namespace sluice
