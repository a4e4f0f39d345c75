package io.quern.cpu.fused;

import static java.lang.constant.ConstantDescs.CD_MethodHandle;
import static java.lang.constant.ConstantDescs.CD_MethodHandles_Lookup;
import static java.lang.constant.ConstantDescs.CD_Object;
import static java.lang.constant.ConstantDescs.CD_String;
import static java.lang.constant.ConstantDescs.CD_int;
import static java.lang.constant.ConstantDescs.CD_long;
import static java.lang.constant.ConstantDescs.CD_void;
import static java.lang.constant.ConstantDescs.INIT_NAME;
import static java.lang.constant.ConstantDescs.MTD_void;

import io.quern.cpu.Simd;
import io.quern.cpu.elementwise.Loops;
import io.quern.op.ScalarProgram;
import io.quern.runtime.Raw;
import java.lang.classfile.ClassFile;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.classfile.TypeKind;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.DirectMethodHandleDesc;
import java.lang.constant.DynamicConstantDesc;
import java.lang.constant.MethodHandleDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/**
 * Writes the loop of a chain as a hidden class of its own: all intermediate values stay in vector
 * registers. In Java it would be
 *
 * <pre>
 * public void run(long addresses, long n) {
 *   long in0 = Raw.getLong(addresses), ..., out = ...;
 *   FloatVector literal = FloatVector.broadcast(F32, 0.5f), ...;
 *   long at = 0;
 *   for (; at + BYTES <= 4 * n; at += BYTES) {
 *     FloatVector v0 = FloatVector.fromMemorySegment(F32, ALL, in0 + at, ORDER);
 *     ...
 *     v7.intoMemorySegment(ALL, out + at, ORDER);
 *   }
 *   if (at < 4 * n) tail(addresses, at, n);   // the same with a mask
 * }
 * </pre>
 *
 * Functions are called through constant method handles, which the compiler inlines whatever the
 * size of the loop already is.
 */
final class GeneratedLoop {
  private static final ClassDesc SELF = ClassDesc.of("io.quern.cpu.fused.Chain");
  private static final ClassDesc LOOP = desc(FusedLoop.class);
  private static final ClassDesc SIMD = desc(Simd.class);
  private static final ClassDesc RAW = desc(Raw.class);
  private static final ClassDesc VECTOR = desc(FloatVector.class);
  private static final ClassDesc SPECIES = desc(VectorSpecies.class);
  private static final ClassDesc MASK = desc(VectorMask.class);
  private static final ClassDesc SEGMENT = desc(MemorySegment.class);
  private static final ClassDesc ORDER = desc(ByteOrder.class);
  private static final MethodTypeDesc LOAD =
      MethodTypeDesc.of(VECTOR, SPECIES, SEGMENT, CD_long, ORDER);
  private static final MethodTypeDesc LOAD_MASKED =
      MethodTypeDesc.of(VECTOR, SPECIES, SEGMENT, CD_long, ORDER, MASK);
  private static final MethodTypeDesc STORE = MethodTypeDesc.of(CD_void, SEGMENT, CD_long, ORDER);
  private static final MethodTypeDesc STORE_MASKED =
      MethodTypeDesc.of(CD_void, SEGMENT, CD_long, ORDER, MASK);

  private final ScalarProgram program;
  private final boolean[] uniform;
  private final List<MethodHandle> functions = new ArrayList<>();

  private GeneratedLoop(ScalarProgram program, boolean[] uniform) {
    this.program = program;
    this.uniform = uniform;
  }

  private static ClassDesc desc(Class<?> type) {
    return type.describeConstable().orElseThrow();
  }

  /** The loop of {@code program} in which some inputs have one element only. */
  static FusedLoop of(ScalarProgram program, boolean[] uniform) {
    GeneratedLoop writer = new GeneratedLoop(program, uniform);
    byte[] bytes = writer.write();
    try {
      MethodHandles.Lookup own =
          MethodHandles.lookup()
              .defineHiddenClassWithClassData(bytes, List.copyOf(writer.functions), true);
      return (FusedLoop)
          own.findConstructor(own.lookupClass(), MethodType.methodType(void.class)).invoke();
    } catch (Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException("fused: no loop for " + program, e);
    }
  }

  private byte[] write() {
    return ClassFile.of()
        .build(
            SELF,
            type ->
                type.withFlags(ClassFile.ACC_FINAL | ClassFile.ACC_SUPER)
                    .withSuperclass(LOOP)
                    .withMethodBody(
                        INIT_NAME,
                        MTD_void,
                        0,
                        code -> code.aload(0).invokespecial(LOOP, INIT_NAME, MTD_void).return_())
                    .withMethodBody(
                        "run",
                        MethodTypeDesc.of(CD_void, CD_long, CD_long),
                        ClassFile.ACC_PUBLIC,
                        this::writeRun)
                    .withMethodBody(
                        "tail",
                        MethodTypeDesc.of(CD_void, CD_long, CD_long, CD_long),
                        ClassFile.ACC_PRIVATE | ClassFile.ACC_STATIC,
                        this::writeTail));
  }

  private void writeRun(CodeBuilder code) {
    int bytes = code.allocateLocal(TypeKind.LONG);
    int at = code.allocateLocal(TypeKind.LONG);
    code.lload(3).loadConstant(4L).lmul().lstore(bytes);
    code.loadConstant(0L).lstore(at);
    Body body = new Body(code, 1, at, -1);
    Label next = code.newLabel();
    Label end = code.newLabel();
    Label done = code.newLabel();
    code.labelBinding(next);
    code.lload(at).loadConstant((long) Simd.BYTES).ladd().lload(bytes).lcmp().ifgt(end);
    body.write();
    code.lload(at).loadConstant((long) Simd.BYTES).ladd().lstore(at).goto_(next);
    code.labelBinding(end);
    code.lload(at).lload(bytes).lcmp().ifge(done);
    code.lload(1).lload(at).lload(bytes);
    code.invokestatic(SELF, "tail", MethodTypeDesc.of(CD_void, CD_long, CD_long, CD_long));
    code.labelBinding(done);
    code.return_();
  }

  /** {@code tail(addresses, at, bytes)}: the elements that do not fill a vector. */
  private void writeTail(CodeBuilder code) {
    int mask = code.allocateLocal(TypeKind.REFERENCE);
    code.getstatic(SIMD, "F32", SPECIES).loadConstant(0L);
    code.lload(4).lload(2).lsub().loadConstant(4L).ldiv();
    code.invokeinterface(SPECIES, "indexInRange", MethodTypeDesc.of(MASK, CD_long, CD_long));
    code.astore(mask);
    new Body(code, 0, 2, mask).write();
    code.return_();
  }

  /** The straight-line code of one vector of elements. */
  private final class Body {
    private final CodeBuilder code;
    private final int at;
    private final int mask;
    private final int[] addresses = new int[program.inputs() + 1];
    private final int[] values = new int[program.result() + 1];

    /** Prepares addresses, uniform inputs and literals; {@code mask} is a local, or -1. */
    Body(CodeBuilder code, int table, int at, int mask) {
      this.code = code;
      this.at = at;
      this.mask = mask;
      for (int i = 0; i <= program.inputs(); i++) {
        addresses[i] = code.allocateLocal(TypeKind.LONG);
        code.lload(table).loadConstant(8L * i).ladd();
        code.invokestatic(RAW, "getLong", MethodTypeDesc.of(CD_long, CD_long));
        code.lstore(addresses[i]);
      }
      for (int value = 0; value < values.length; value++) {
        values[value] = code.allocateLocal(TypeKind.REFERENCE);
        if (value < program.inputs() && uniform[value]) {
          code.getstatic(SIMD, "F32", SPECIES).lload(addresses[value]);
          code.invokestatic(RAW, "getFloat", MethodTypeDesc.of(ConstantDescs.CD_float, CD_long));
          broadcast(value);
        } else if (value >= program.inputs()
            && program.steps().get(value - program.inputs())
                instanceof ScalarProgram.Literal(double number)) {
          code.getstatic(SIMD, "F32", SPECIES).loadConstant((float) number);
          broadcast(value);
        }
      }
    }

    private void broadcast(int value) {
      code.invokestatic(
          VECTOR, "broadcast", MethodTypeDesc.of(VECTOR, SPECIES, ConstantDescs.CD_float));
      code.astore(values[value]);
    }

    void write() {
      for (int i = 0; i < program.inputs(); i++) {
        if (!uniform[i]) {
          code.getstatic(SIMD, "F32", SPECIES).getstatic(RAW, "ALL", SEGMENT);
          code.lload(addresses[i]).lload(at).ladd().getstatic(RAW, "ORDER", ORDER);
          if (mask >= 0) {
            code.aload(mask);
          }
          code.invokestatic(VECTOR, "fromMemorySegment", mask >= 0 ? LOAD_MASKED : LOAD);
          code.astore(values[i]);
        }
      }
      for (int i = 0; i < program.steps().size(); i++) {
        step(program.steps().get(i), values[program.inputs() + i]);
      }
      code.aload(values[program.result()]).getstatic(RAW, "ALL", SEGMENT);
      code.lload(addresses[program.inputs()]).lload(at).ladd().getstatic(RAW, "ORDER", ORDER);
      if (mask >= 0) {
        code.aload(mask);
      }
      code.invokevirtual(VECTOR, "intoMemorySegment", mask >= 0 ? STORE_MASKED : STORE);
    }

    private void step(ScalarProgram.Step step, int to) {
      switch (step) {
        case ScalarProgram.Literal _ -> {}
        case ScalarProgram.Apply1(var fn, int x) -> {
          handle(Loops.vectorFunction(fn));
          code.aload(values[x]);
          code.invokevirtual(CD_MethodHandle, "invokeExact", MethodTypeDesc.of(VECTOR, VECTOR));
          code.astore(to);
        }
        case ScalarProgram.Apply2(var fn, int x, int y) -> {
          handle(Loops.vectorFunction(fn));
          code.aload(values[x]).aload(values[y]);
          code.invokevirtual(
              CD_MethodHandle, "invokeExact", MethodTypeDesc.of(VECTOR, VECTOR, VECTOR));
          code.astore(to);
        }
      }
    }

    /** Pushes a method handle of the class data as a constant. */
    private void handle(MethodHandle function) {
      int index = functions.indexOf(function);
      if (index < 0) {
        index = functions.size();
        functions.add(function);
      }
      DirectMethodHandleDesc bootstrap =
          MethodHandleDesc.ofMethod(
              DirectMethodHandleDesc.Kind.STATIC,
              ConstantDescs.CD_MethodHandles,
              "classDataAt",
              MethodTypeDesc.of(
                  CD_Object, CD_MethodHandles_Lookup, CD_String, ConstantDescs.CD_Class, CD_int));
      code.loadConstant(
          DynamicConstantDesc.ofNamed(
              bootstrap, ConstantDescs.DEFAULT_NAME, CD_MethodHandle, index));
    }
  }
}
