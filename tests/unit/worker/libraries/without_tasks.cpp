extern "C" int not_what_is_looked_for() {
  return 0;
}
