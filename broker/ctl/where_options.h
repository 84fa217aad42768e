// Where's options (reach.h) for a command line that Boost.Program_options reads. Plain functions.
#pragma once

#include <boost/program_options.hpp>

#include "broker/ctl/reach.h"

namespace wherry::broker::ctl {

inline void add_where_options(boost::program_options::options_description& all) {
  namespace po = boost::program_options;
  for (const Where::Option& each : Where::options()) {
    const std::string names = std::string_view(each.name) == "data-dir" ? "data-dir,d" : each.name;
    if (each.value == nullptr) {
      all.add_options()(names.c_str(), each.help);
    } else {
      all.add_options()(names.c_str(), po::value<std::string>()->value_name(each.value), each.help);
    }
  }
}

inline Where where_of(const boost::program_options::variables_map& values) {
  Where where;
  for (const Where::Option& each : Where::options()) {
    if (values.count(each.name) == 0) continue;
    where.take(each.name, each.value ? values[each.name].as<std::string>() : std::string());
  }
  return where;
}

}  // namespace wherry::broker::ctl
