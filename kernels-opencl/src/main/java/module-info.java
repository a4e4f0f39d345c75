/** Every device with an OpenCL driver: kernels in OpenCL C through LWJGL. */
@SuppressWarnings("requires-automatic")
module io.quern.opencl {
  requires transitive io.quern;
  requires io.quern.gpu;
  requires org.lwjgl;
  requires org.lwjgl.natives;
  requires org.lwjgl.opencl;
  requires static org.jspecify;

  provides io.quern.backend.Backend with
      io.quern.opencl.OpenClBackend;
}
