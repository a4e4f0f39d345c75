package io.quern.cuda;

import io.quern.gpu.DiskCache;
import io.quern.runtime.Log;
import io.quern.runtime.Raw;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Optional;
import jcuda.Pointer;
import jcuda.driver.CUjitInputType;
import jcuda.driver.CUlinkState;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import jcuda.driver.JITOptions;

/**
 * Modules from PTX. What the driver's linker makes of a text can be kept in a file, which begins
 * with a digest of what it is for and of the rest: the driver takes no care that an image is whole.
 * What does not work that way is compiled at each start.
 */
final class Cubins {
  private static final DiskCache CACHE = new DiskCache("cuda", "compiled CUDA kernels");

  private static final JITOptions DEFAULTS = new JITOptions();

  private final String compiler;

  /**
   * Modules for a device.
   *
   * @param compiler what decides besides the text about what comes out: the driver and the chip
   */
  Cubins(String compiler) {
    this.compiler = compiler;
  }

  /** Loads a module into the context of the calling thread. */
  CUmodule load(String ptx) {
    CUmodule module = new CUmodule();
    String key = String.join("\n", "cubin", compiler, ptx);
    boolean isLoaded = !CACHE.isOff() && (restore(module, key) || link(module, key, ptx));
    return isLoaded ? module : compile(ptx);
  }

  /** Loads a module without a file: kernels that do much arithmetic are slower when linked. */
  static CUmodule compile(String ptx) {
    CUmodule module = new CUmodule();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocateFrom(ptx, StandardCharsets.US_ASCII);
      JCudaGpu.check("cuModuleLoadDataEx", load(module, text));
    }
    return module;
  }

  private static boolean restore(CUmodule module, String key) {
    Optional<byte[]> file = CACHE.get(key);
    return file.isPresent() && isIntact(key, file.get()) && loadFile(module, file.get());
  }

  private static boolean link(CUmodule module, String key, String ptx) {
    byte[] file = link(ptx);
    if (file.length == 0 || !loadFile(module, file)) {
      return false;
    }
    writeSeal(key, file);
    CACHE.put(key, file);
    return true;
  }

  // ---- files: a digest of 32 bytes, then the cubin --------------------------------------------

  private static final int SEAL = 32;

  private static byte[] seal(String key, byte[] file) {
    MessageDigest digest = DiskCache.sha256();
    digest.update(key.getBytes(StandardCharsets.UTF_8));
    digest.update(file, SEAL, file.length - SEAL);
    return digest.digest();
  }

  private static void writeSeal(String key, byte[] file) {
    System.arraycopy(seal(key, file), 0, file, 0, SEAL);
  }

  private static boolean isIntact(String key, byte[] file) {
    return file.length > SEAL && Arrays.equals(seal(key, file), 0, SEAL, file, 0, SEAL);
  }

  private static boolean loadFile(CUmodule module, byte[] file) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment image = arena.allocate(file.length - SEAL, 64);
      Raw.copy(MemorySegment.ofArray(file), SEAL, image, 0, image.byteSize());
      return load(module, image) == CUresult.CUDA_SUCCESS;
    }
  }

  // ---- the driver -----------------------------------------------------------------------------

  private static int load(CUmodule module, MemorySegment image) {
    return JCudaDriver.cuModuleLoadDataEx(
        module, new HostAddress(image.address()), 0, new int[0], Pointer.to(new int[0]));
  }

  /** A cubin behind room for the seal; empty if the driver does not link the text. */
  private static byte[] link(String ptx) {
    CUlinkState state = new CUlinkState();
    int error = JCudaDriver.cuLinkCreate(DEFAULTS, state);
    if (error != CUresult.CUDA_SUCCESS) {
      return notLinked(error);
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocateFrom(ptx, StandardCharsets.US_ASCII);
      error =
          JCudaDriver.cuLinkAddData(
              state,
              CUjitInputType.CU_JIT_INPUT_PTX,
              new HostAddress(text.address()),
              text.byteSize(),
              "quern",
              DEFAULTS);
      HostAddress cubin = new HostAddress();
      long[] bytes = new long[1];
      if (error == CUresult.CUDA_SUCCESS) {
        error = JCudaDriver.cuLinkComplete(state, cubin, bytes);
      }
      if (error != CUresult.CUDA_SUCCESS) {
        return notLinked(error);
      }
      byte[] file = new byte[SEAL + Math.toIntExact(bytes[0])];
      MemorySegment.copy(
          Raw.ALL, ValueLayout.JAVA_BYTE, cubin.address(), file, SEAL, file.length - SEAL);
      return file;
    } finally {
      JCudaDriver.cuLinkDestroy(state); // and the memory of the cubin
    }
  }

  private static byte[] notLinked(int error) {
    Log.get().log(Level.DEBUG, "cuda: PTX is compiled at each start (error {0})", error);
    return new byte[0];
  }
}
