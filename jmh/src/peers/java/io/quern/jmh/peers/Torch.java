package io.quern.jmh.peers;

/** Settings of libtorch, made before it is loaded. */
final class Torch {
  private Torch() {}

  static void start(int threads) {
    System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
    System.setProperty("ai.djl.pytorch.num_interop_threads", "1");
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("OPT_OUT_TRACKING", "true");
  }
}
