package io.quern.cpu.asm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;

/** The bytes of every instruction, with random operands, are those of the GNU assembler. */
class AssemblerTest {
  private static final int TIMES = 40;
  private static final int[] DISPLACEMENTS = {0, 1, 4, -4, 64, 128, -8192, 8128, 12345, -64};

  private final SplittableRandom random = new SplittableRandom(1);
  private final Assembler asm = new Assembler();

  @TempDir Path folder;

  static boolean isThere() {
    return Files.isExecutable(Path.of("/usr/bin/as"))
        && Files.isExecutable(Path.of("/usr/bin/objcopy"));
  }

  @Test
  @EnabledIf(value = "isThere", disabledReason = "needs GNU as")
  void vectorsAreEncodedAsByAs() throws Exception {
    for (VectorOp op : VectorOp.values()) {
      for (int i = 0; i < TIMES; i++) {
        int bits = bits();
        if (op.storing >= 0) {
          asm.op(op, memory(), op == VectorOp.VMOVNTPS ? vec(bits) : masked(vec(bits)));
        }
        if (op.opcode >= 0) {
          vector(op, bits);
        }
      }
    }
    for (int i = 0; i < TIMES; i++) {
      for (Assembler.Shift shift : Assembler.Shift.values()) {
        int bits = bits();
        asm.shift(shift, masked(vec(bits)), vec(bits), random.nextInt(32));
      }
    }
    compare();
  }

  private void vector(VectorOp op, int bits) {
    boolean broadcasts = op.tuple == VectorOp.Tuple.VECTOR && op != VectorOp.VMOVUPS;
    Operand right =
        switch (random.nextInt(3)) {
          case 0 -> op.tuple == VectorOp.Tuple.ELEMENT ? vec(128) : vec(bits);
          case 1 -> memory();
          default -> broadcasts ? memory().repeated(bits) : memory();
        };
    Vec to = masked(vec(bits));
    if (random.nextBoolean() && to.mask().number() != 0) {
      to = to.zeroed(to.mask());
    }
    switch (op) {
      case VMOVUPS, VBROADCASTSS, VCVTDQ2PS, VCVTTPS2DQ, VCVTPS2DQ, VSQRTPS ->
          asm.op(op, to, right);
      case VCVTNEPS2BF16 -> {
        if (bits == 512) {
          asm.toBrainFloats(vec(bits), vec(bits));
        }
      }
      case VPMOVZXBD, VPMOVZXWD, VMOVDQU8 -> asm.op(op, to, memory());
      case VRANGEPS, VSHUFPS, VPTERNLOGD -> asm.op(op, to, vec(bits), right, random.nextInt(16));
      case VSHUFF32X4 -> {
        if (bits > 128) {
          asm.op(op, to, vec(bits), right, random.nextInt(4));
        }
      }
      case VPERMPS -> {
        if (bits > 128) {
          asm.op(op, to, vec(bits), right);
        }
      }
      case VCMPPS -> asm.compare(new Mask(random.nextInt(8)), vec(bits), right, random.nextInt(32));
      default -> asm.op(op, to, vec(bits), right);
    }
  }

  @Test
  @EnabledIf(value = "isThere", disabledReason = "needs GNU as")
  void generalInstructionsAreEncodedAsByAs() throws Exception {
    List<Consumer<Assembler>> all =
        List.of(
            a -> a.mov(reg(), reg()),
            a -> a.mov(reg(), memory()),
            a -> a.mov(memory(), reg()),
            a -> a.mov32(reg(), memory()),
            a -> a.lea(reg(), memory()),
            a -> a.add(reg(), reg()),
            a -> a.add(reg(), memory()),
            a -> a.sub(reg(), reg()),
            a -> a.cmp(reg(), reg()),
            a -> a.cmp(reg(), memory()),
            a -> a.test(reg(), reg()),
            a -> a.add(reg(), value()),
            a -> a.sub(reg(), value()),
            a -> a.cmp(reg(), value()),
            a -> a.shl(reg(), random.nextInt(1, 63)),
            a -> a.shr(reg(), random.nextInt(1, 63)),
            a -> a.push(reg()),
            a -> a.pop(reg()),
            a -> a.prefetch(memory()),
            a -> a.prefetchNear(memory()),
            a -> a.prefetchToWrite(memory()),
            a -> a.loadTileConfig(memory()),
            a -> a.zero(tile()),
            a -> a.load(tile(), rows()),
            a -> a.store(rows(), tile()),
            to -> multiply(to::multiplyBytes),
            to -> multiply(to::multiplySignedBytes),
            to -> multiply(to::multiplyBrainFloats),
            Assembler::releaseTiles,
            a -> a.kmov(new Mask(random.nextInt(1, 8)), reg()),
            a -> a.kmovAll(new Mask(random.nextInt(1, 8)), reg()),
            Assembler::ret,
            Assembler::cpuid,
            Assembler::sfence,
            Assembler::vzeroupper);
    Label start = asm.here();
    Label end = asm.label();
    for (int i = 0; i < TIMES; i++) {
      all.forEach(each -> each.accept(asm));
    }
    for (Assembler.Condition when : Assembler.Condition.values()) {
      asm.jump(when, start);
      asm.jump(when, end);
    }
    asm.jmp(end);
    asm.align(64);
    asm.op(VectorOp.VADDPS, vec(512), vec(512), asm.constant(1.5f).repeated(512));
    asm.op(VectorOp.VADDPS, Vec.of(1, 256), Vec.of(2, 256), asm.constant(-2));
    asm.op(VectorOp.VRANGEPS, vec(512), vec(512), asm.constantBits(7).repeated(512), 5);
    asm.compare(new Mask(1), vec(512), asm.constantBits(7).repeated(512), 3);
    asm.bind(end);
    compare();
  }

  /** Bytes by hand from the manual, for machines without the GNU assembler. */
  @Test
  void knownBytes() {
    asm.op(VectorOp.VADDPS, Vec.of(1, 256), Vec.of(2, 256), Vec.of(3, 256));
    asm.op(VectorOp.VFMADD231PS, Vec.of(31, 512), Vec.of(7, 512), Mem.at(Reg.R9, 64).repeated(512));
    asm.mov(Reg.RAX, Mem.at(Reg.RSP, 8));
    assertThat(HexFormat.of().formatHex(asm.finish()))
        .isEqualTo("c5ec58cb" + "62424558b87910" + "488b442408");
  }

  private void compare() throws IOException, InterruptedException {
    byte[] found = asm.finish();
    List<String> lines = new ArrayList<>(List.of(".intel_syntax noprefix"));
    for (String line : asm.listing()) {
      // It would choose short jumps, and exchange operands for shorter forms.
      String form = line.startsWith("j") ? "{disp32} " : line.matches("v.*mm.*") ? "{load} " : "";
      lines.add((line.contains(" [") ? "" : form) + line);
    }
    Path source = Files.write(folder.resolve("code.s"), lines);
    run("as", "-o", folder.resolve("code.o").toString(), source.toString());
    Path raw = folder.resolve("code.bin");
    run("objcopy", "-O", "binary", "-j", ".text", folder.resolve("code.o").toString(), raw + "");
    byte[] expected = Files.readAllBytes(raw);
    HexFormat hex = HexFormat.of();
    // The first difference is told with the instructions around it.
    int at = java.util.Arrays.mismatch(found, expected);
    assertThat(at)
        .as(
            () ->
                "found %s, expected %s"
                    .formatted(
                        hex.formatHex(found, Math.max(0, at - 8), Math.min(found.length, at + 8)),
                        hex.formatHex(
                            expected, Math.max(0, at - 8), Math.min(expected.length, at + 8))))
        .isEqualTo(-1);
  }

  private static void run(String... command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
  }

  private int bits() {
    return 128 << random.nextInt(3);
  }

  private Vec vec(int bits) {
    return Vec.of(random.nextInt(32), bits);
  }

  private Vec masked(Vec vec) {
    return random.nextBoolean() ? vec : vec.masked(new Mask(random.nextInt(1, 8)));
  }

  private Reg reg() {
    List<Reg> all = List.of(Reg.values());
    return all.get(random.nextInt(all.size()));
  }

  private interface TileProduct {
    void of(Tile to, Tile left, Tile right);
  }

  /** All three tiles must be different ones. */
  private void multiply(TileProduct product) {
    int first = random.nextInt(8);
    int step = 1 + 2 * random.nextInt(4);
    product.of(new Tile(first), new Tile((first + step) % 8), new Tile((first + 2 * step) % 8));
  }

  private Tile tile() {
    return new Tile(random.nextInt(8));
  }

  private Mem rows() {
    Reg index = reg();
    Mem rows = Mem.at(reg(), index == Reg.RSP ? Reg.RAX : index, 1 << random.nextInt(4));
    return rows.plus(random.nextInt(-300, 300));
  }

  private int value() {
    return random.nextBoolean() ? random.nextInt(-128, 128) : random.nextInt();
  }

  private Mem memory() {
    Mem memory = Mem.at(reg());
    if (random.nextBoolean()) {
      Reg index = reg();
      memory = Mem.at(reg(), index == Reg.RSP ? Reg.RAX : index, 1 << random.nextInt(4));
    }
    return memory.plus(DISPLACEMENTS[random.nextInt(DISPLACEMENTS.length)]);
  }
}
