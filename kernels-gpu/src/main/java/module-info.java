/** What backends of GPUs have in common. */
@SuppressWarnings("module")
module io.quern.gpu {
  requires transitive io.quern;
  requires static org.jspecify;

  exports io.quern.gpu to
      io.quern.cuda,
      io.quern.opencl;
}
