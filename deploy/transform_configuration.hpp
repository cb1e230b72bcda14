#pragma once

#include "actors/transform/transforms.hpp"
#include "deploy/configuration_reader.hpp"

namespace sluice {

/// Reads the list `transforms` of a section (docs/specs/transforms.md), if it is given.
void read_transforms(section_reader& in, transform_config& to);

/// Reads a map of labels.
void read_labels(section_reader& in, label_set& to);

} // namespace sluice
