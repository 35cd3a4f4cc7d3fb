package fsm
import ("testing";"bytes";"time";"os";"muster/task";"runtime/pprof")
func TestZZ(t *testing.T){
	s, places := benchState(10)
	index := uint64(1)
	t0:=time.Now()
	for id := 1; id <= 200000; id += 1000 {
		s.Apply(index+1, 1, submitAll(id, 1000, places))
		s.Apply(index+2, 1, completeAll(id, 1000, places))
		index += 2
	}
	t.Log("apply",time.Since(t0))
	t0=time.Now(); var b bytes.Buffer; s.View().Save(&b); t.Log("save",time.Since(t0), b.Len())
	f,_:=os.Create("/tmp/load.prof"); pprof.StartCPUProfile(f)
	t0=time.Now(); o:=New(); if err:=o.Load(&b); err!=nil{t.Fatal(err)}; t.Log("load",time.Since(t0))
	pprof.StopCPUProfile(); f.Close()
	t0=time.Now(); fp:=s.View().Fingerprint(); t.Log("fp",time.Since(t0), fp==o.View().Fingerprint())
	t0=time.Now(); for i:=0;i<100000;i++{ s.View().find(1+ task.ID(i*7919%200000)) }; t.Log("get",time.Since(t0)/100000)
	t0=time.Now(); for i:=0;i<100;i++{ s.View().List(task.Query{After: task.ID(i*1901), Limit:100}) }; t.Log("page of 100",time.Since(t0)/100)
}
