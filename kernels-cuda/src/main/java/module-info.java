/** NVIDIA GPUs: kernels in CUDA C++ and generated PTX, through the CUDA driver. */
@SuppressWarnings("requires-automatic")
module io.quern.cuda {
  requires transitive io.quern;
  requires io.quern.gpu;
  requires jcuda;
  requires static org.jspecify;

  provides io.quern.backend.Backend with
      io.quern.cuda.CudaBackend;
}
