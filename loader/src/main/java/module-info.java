/** Out-of-core datasets and input pipelines. */
@SuppressWarnings("requires-automatic")
module io.quern.loader {
  requires transitive io.quern;
  requires org.agrona;
  requires static transitive org.jspecify;

  exports io.quern.loader;
}
