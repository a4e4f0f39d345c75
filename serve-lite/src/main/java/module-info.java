/** In-process serving with micro-batching. */
@SuppressWarnings("requires-automatic")
module io.quern.serve {
  requires HdrHistogram;
  requires transitive io.quern;
  requires org.agrona;
  requires static transitive org.jspecify;

  exports io.quern.serve;
}
