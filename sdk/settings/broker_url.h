// Inside sdk/settings: the section broker of app.yaml as one AMQP URL list.
#pragma once

#include <string>

#include "base/yaml.h"

namespace wherry::sdk {

// url and place as in AppSettings.
void read_broker_url(yaml::Map broker, std::string& url, std::string& place);

}  // namespace wherry::sdk
