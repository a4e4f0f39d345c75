/** Out-of-core datasets and input pipelines. */
module io.quern.loader {
  requires transitive io.quern;
}
