/** CPU kernels: SIMD through the Vector API, and a scalar twin of each. */
module io.quern.cpu {
  requires transitive io.quern;
  requires jdk.management;
  requires static jdk.incubator.vector;
  requires static org.jspecify;

  provides io.quern.backend.Backend with
      io.quern.cpu.CpuBackend;
}
